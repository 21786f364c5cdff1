"""Pictures: reading, writing, color profiles, and work on their pixels."""
