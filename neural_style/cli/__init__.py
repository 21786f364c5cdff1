"""The command line: flags, commands, messages and output files."""
