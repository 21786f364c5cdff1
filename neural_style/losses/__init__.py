"""The terms of the loss, and the statistics that they are computed from."""
