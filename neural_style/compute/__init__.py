"""How a loss and its gradient are computed on this machine."""
