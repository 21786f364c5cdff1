"""Settings of a run: what an option is, defaults, bounds, and how they are resolved. No NumPy, no TensorFlow."""
