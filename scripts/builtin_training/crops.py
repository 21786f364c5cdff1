"""Batches for the contrast: pairs of crops from nearly the same place of a picture, each seen in its own light."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from .fields import Array, Rng

MEAN, SCALE = 127.5, 64.0
"""What the network in training sees is (grey level of 0-255 - MEAN) / SCALE."""


@dataclass(frozen=True)
class Crops:
    """How a batch is cut from pictures.

    Attributes:
        pictures: uint8 (height, width, 3) each.
        pairs: pairs in a batch.
        side: height and width of a crop as the network sees it, in pixels.
        sources: how many pictures a batch is cut from; few of them make the negatives hard, since colour alone no
            longer tells them apart.
        noise: the most noise added, as a standard deviation in units of 0-1.
        seed: of the random numbers.
    """

    pictures: Sequence[Array]
    pairs: int
    side: int
    sources: int
    noise: float
    seed: int

    def batch(self, step: int) -> tuple[Array, Array]:
        """The crops of one step of training, the same for the same step.

        Returns:
            Degraded crops, float32 (2 pairs, side, side, 3), scaled; item i and item i + pairs are a pair. And the same
            crops before noise and blur were added.
        """
        rng = np.random.default_rng([self.seed, step])
        chosen = rng.choice(len(self.pictures), min(self.sources, len(self.pictures)), replace=False)
        levels = [_pyramid(self.pictures[index]) for index in chosen]
        pairs = [self._pair(rng, levels[i % len(levels)]) for i in range(self.pairs)]
        crops = np.stack([pair[0] for pair in pairs] + [pair[1] for pair in pairs]).astype(np.float32)
        clean = _relight(rng, crops / 255)
        return _scaled(_degrade(rng, clean, self.noise)), _scaled(clean)

    def _pair(self, rng: Rng, levels: list[Image.Image]) -> tuple[Array, Array]:
        width, height = levels[0].size
        span = self.side * np.exp(rng.uniform(np.log(0.7), np.log(min(3.0, 0.75 * min(width, height) / self.side))))
        margin = 0.65 * span  # what a turned and shifted square may still reach over the border is black
        x, y = (rng.uniform(min(margin, size / 2), max(size - margin, size / 2)) for size in (width, height))
        flip = rng.choice([-1, 1])
        return self._view(rng, levels, x, y, span, flip), self._view(rng, levels, x, y, span, flip)

    def _view(self, rng: Rng, levels: list[Image.Image], x: float, y: float, span: float, flip: int) -> Array:
        """A square of about this span around about (x, y), turned a little, resampled to the side of a crop."""
        x, y = x + rng.normal(0, 0.15) * span, y + rng.normal(0, 0.15) * span
        step = span / self.side * np.exp(rng.normal(0, 0.12))
        level = int(np.clip(np.round(np.log2(step) - 0.25), 0, len(levels) - 1))
        angle = rng.normal(0, 0.15)
        a, b = step * np.cos(angle) / 2**level, step * np.sin(angle) / 2**level
        half = self.side / 2
        x, y = x / 2**level, y / 2**level
        matrix = (a * flip, -b, x - a * flip * half + b * half, b * flip, a, y - b * flip * half - a * half)
        image = levels[level].transform(
            (self.side, self.side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
        )
        return np.asarray(image)


def prefetched(crops: Crops, first: int, last: int, ahead: int = 3) -> Iterator[tuple[Array, Array]]:
    """Batches of steps first to last - 1, made in a thread while the network trains."""
    with ThreadPoolExecutor(1) as maker:
        made = deque(maker.submit(crops.batch, step) for step in range(first, min(first + ahead, last)))
        for step in range(first + ahead, last + ahead):
            batch = made.popleft().result()
            if step < last:
                made.append(maker.submit(crops.batch, step))
            yield batch


def _pyramid(picture: Array) -> list[Image.Image]:
    """The picture at full, half and quarter size."""
    image = Image.fromarray(picture)
    return [image, image.reduce(2), image.reduce(4)]


def _relight(rng: Rng, crops: Array) -> Array:
    """Other light for each crop: gain, offset, tint, and for some no colour at all."""
    count = len(crops)
    draw = (count, 1, 1, 1)
    channel = (count, 1, 1, 3)
    tint = np.where(rng.random(draw) < 0.5, 0.2, 0.0)
    gain = np.exp(rng.normal(0, 0.15, draw) + rng.normal(0, 1, channel) * tint)
    grey = rng.random(draw) < 0.15
    crops = np.where(grey, crops.mean(-1, keepdims=True), crops)
    middle = crops.mean((1, 2), keepdims=True)
    crops = (crops - middle) * gain + middle * np.exp(rng.normal(0, 1, channel) * tint * 0.5)
    return np.clip(crops + rng.normal(0, 0.04, draw) + rng.normal(0, 0.03, channel), 0, 1).astype(np.float32)


def _degrade(rng: Rng, crops: Array, noise: float) -> Array:
    """Blur a quarter of the crops, and add noise to all."""
    crops = crops.copy()
    for index in np.flatnonzero(rng.random(len(crops)) < 0.25):
        crops[index] = ndimage.gaussian_filter(crops[index], (*(rng.uniform(0.4, 1.4),) * 2, 0))
    amount = rng.uniform(0, noise, (len(crops), 1, 1, 1)).astype(np.float32)
    return crops + amount * rng.standard_normal(crops.shape, np.float32)


def _scaled(crops: Array) -> Array:
    return (crops * 255 - MEAN) / SCALE
