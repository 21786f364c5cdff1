"""Gives damaged files to what reads files, and looks for anything but a result or one clear line."""
