"""Pictures in and out, colour, and what is computed of their pixels."""
