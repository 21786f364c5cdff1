"""One run: from pictures and settings to a stream of steps."""
