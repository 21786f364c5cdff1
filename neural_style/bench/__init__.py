"""The benchmark, `neural-style bench`: one module for each section, and `sections` as their table."""
