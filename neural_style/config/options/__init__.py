"""The options of a run by group: each name, default, bounds and help, stated once."""
