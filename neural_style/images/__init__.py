"""Pictures in and out, color, and what is computed of their pixels."""
