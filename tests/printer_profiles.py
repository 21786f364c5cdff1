"""A made-up printer in RGB, whose range of colors is known: linear sRGB colors S d for d of 0-1."""

import numpy as np
from picture_files import rgb_profile

NARROW = 0.8 * np.eye(3) + 0.2 / 3
"""S. Each ink has a fifth of gray in it. White stays white."""

SRGB_TO_D50 = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
"""Of linear sRGB, adapted to the white of profiles (Bradford)."""


def printer_profile(kind=b"prtr", spread=NARROW):
    profile = rgb_profile(*(SRGB_TO_D50 @ spread).T, 2.2)
    return profile[:12] + kind + profile[16:]


def linear(rgb):
    """Linear sRGB of levels of 0-255."""
    levels = np.asarray(rgb, np.float64) / 255
    return np.where(levels > 0.04045, ((levels + 0.055) / 1.055) ** 2.4, levels / 12.92)


def inks_of(rgb):
    """d of colors; in 0-1 if they can be printed."""
    return linear(rgb) @ np.linalg.inv(NARROW).T
