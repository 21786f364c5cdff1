"""Pictures that visitors send: checked at once, and shown as small copies."""

from __future__ import annotations

import dataclasses
import io
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from neural_style.errors import ImageError
from neural_style.images.picture import one_line, resize, to_uint8, with_alpha
from neural_style.images.reading import read_image
from neural_style.vgg19_spec import MIN_SIDE
from neural_style.web.visitors import Visitor

SHOWN_SIDE = 1024
"""Longer side in pixels of the copies that the page shows."""

BRUSHES = ("#e6194b", "#3cb44b", "#4363d8", "#ffe119")
"""Colors that regions are painted in: that of the first style, the second, and so on."""

_MOST_REGION_PIXELS = 2**24
"""Most pixels of a layer."""

_LEAST_PAINTED = 1e-3
"""Share of the photo that counts as painted at least."""

_reading = threading.Lock()  # one at a time, because a large picture takes much memory


@dataclasses.dataclass(frozen=True)
class Sent:
    """A picture that a visitor sent."""

    path: str
    """The file that was sent."""
    width: int
    """In pixels, upright."""
    height: int
    """In pixels, upright."""
    shown: str
    """Path of the copy that the page shows."""

    @property
    def stem(self) -> str:
        """Name of the file without its suffix."""
        return Path(self.path).stem


def take(visitor: Visitor, path: str, role: str, max_pixels: int) -> Sent:
    """Check a picture that was sent, and make the copy that the page shows.

    Args:
        visitor: who sent it.
        path: the file, or the copy of one that was taken before.
        role: what the picture is for; errors begin with it.
        max_pixels: a larger picture is refused.

    Raises:
        ImageError: it is no picture that can be used.
    """
    if path in visitor.sent:
        return visitor.sent[path]
    with _reading:
        picture = read_image(path, role, max_pixels)
        width, height = picture.width, picture.height
        if min(width, height) < MIN_SIDE:
            raise ImageError(
                f"{role} {Path(path).name!r}: expected at least {MIN_SIDE} px a side, got {width}×{height}; "
                "send a larger one"
            )
        factor = min(1.0, SHOWN_SIDE / max(width, height))
        small = resize(picture, max(1, round(width * factor)), max(1, round(height * factor)))
        pixels = with_alpha(to_uint8(small.rgb), small.alpha)
        del picture
    shown = visitor.new_file(f"{Path(path).stem}.{'jpg' if pixels.shape[2] == 3 else 'png'}")
    Image.fromarray(pixels).save(shown, quality=90)
    sent = Sent(path, width, height, str(shown))
    visitor.sent[path] = visitor.sent[str(shown)] = sent
    return sent


def regions_of(layers: Sequence[str | bytes], count: int) -> list[np.ndarray]:
    """Return what was painted over a photo, as masks.

    Args:
        layers: pictures of the same size, each a path or the bytes of a file, transparent where nothing was painted.
        count: how many of `BRUSHES` count.

    Returns:
        For each of these colors: uint8 (height, width), 255 where it was painted. Empty if nothing was painted.
    """
    colors = np.array([[int(brush[at : at + 2], 16) for at in (1, 3, 5)] for brush in BRUSHES[:count]], np.float32)
    masks: list[np.ndarray] = []
    for layer in layers:
        source = io.BytesIO(layer) if isinstance(layer, bytes) else layer
        try:
            with Image.open(source, formats=("PNG", "WEBP")) as image:
                if image.width * image.height > _MOST_REGION_PIXELS:
                    raise ValueError(f"{image.width}×{image.height} px")
                pixels = np.asarray(image.convert("RGBA"))
        except Exception as error:  # decoders raise nearly anything on damaged files
            raise ImageError(f"regions: expected what was painted on the photo, got {one_line(error)}") from error
        if not masks or masks[0].shape != pixels.shape[:2]:
            masks = [np.zeros(pixels.shape[:2], np.uint8) for _ in colors]
        distances = ((pixels[..., None, :3].astype(np.float32) - colors) ** 2).sum(-1)
        nearest, is_painted = distances.argmin(-1), pixels[..., 3] > 127
        for index, mask in enumerate(masks):
            mask[is_painted] = np.where(nearest[is_painted] == index, 255, 0)
    painted = sum((mask > 0).mean() for mask in masks)
    return masks if painted >= _LEAST_PAINTED else []
