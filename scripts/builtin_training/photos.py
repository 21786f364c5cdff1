"""The photographs that come inside scikit-image's package and are in the public domain or CC0, and our own examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from .fields import Array

PHOTOGRAPHS = {
    "astronaut": "NASA, public domain",
    "brick": "cc0textures.com, CC0",
    "camera": "Lav Varshney, CC0",
    "chelsea": "Stéfan van der Walt, CC0",
    "clock": "Stéfan van der Walt, public domain",
    "coffee": "Rachel Michetti, CC0",
    "grass": "linolafett (DeviantArt), CC0",
    "gravel": "cc0textures.com, CC0",
    "hubble_deep_field": "NASA, public domain",
    "retina": "Mikael Häggström, CC0",
    "rocket": "SpaceX, public domain",
}
"""Functions of `skimage.data`, and the author and licence that its documentation names."""

LONGEST = 640
"""Longest side in training, in pixels."""


def photographs() -> list[Array]:
    """The photographs, uint8 (height, width, 3) each.

    Raises:
        ModuleNotFoundError: scikit-image is not installed.
    """
    from skimage import data

    return [_prepared(Image.fromarray(getattr(data, name)())) for name in PHOTOGRAPHS]


def examples() -> list[Array]:
    """The pictures in `examples/`, uint8 (height, width, 3) each."""
    folder = Path(__file__).resolve().parents[2] / "examples"
    return [_prepared(Image.open(path)) for path in sorted(folder.glob("*.jpg"))]


def _prepared(image: Image.Image) -> Array:
    image = image.convert("RGB")
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return np.asarray(image)
