"""Optimizers. They know nothing of networks, only a function that gives a loss and its gradient."""
