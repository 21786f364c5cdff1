"""The terms of the loss and what they are computed from."""
