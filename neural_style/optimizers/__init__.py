"""Optimisers; they know nothing of networks."""
