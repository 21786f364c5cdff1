"""How the loss and its gradient are computed: device, precision, memory, plans, graphs and tiles."""
