"""Neural style transfer: turns a photograph into a painting (Gatys, Ecker and Bethge, CVPR 2016)."""

__version__ = "0.1.0"
