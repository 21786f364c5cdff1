"""Names of the flags that are no options of a run and are given on the command line alone."""

YES = "yes"
"""The switch that agrees to what a flag file or the metadata of a picture ask for."""

RESUME = "resume"
"""The flag that names the folder of a run that goes on. It is read before all others."""
