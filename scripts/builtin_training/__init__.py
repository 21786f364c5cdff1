"""How the built-in network is made: its pictures, its training, its measures, and the file it is written to."""
