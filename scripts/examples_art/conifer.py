"""Spruce trees of the lakeside picture, built from needle-bearing twigs and kept as sprites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from .common import Array
from .strokes import Brush, Canvas, lay


@dataclass(frozen=True)
class Sprite:
    """A tree on a clear ground: `sun` and `sky` are the shares of each light it returns, `alpha` its cover."""

    sun: Array
    sky: Array
    alpha: Array

    def resized(self, height: int) -> Sprite:
        """Return the sprite scaled to a height in pixels."""
        width = max(2, round(height * self.alpha.shape[1] / self.alpha.shape[0]))
        parts = [self.sun * self.alpha, self.sky * self.alpha, self.alpha]
        sun, sky, alpha = (np.asarray(Image.fromarray(p).resize((width, height), Image.Resampling.BOX)) for p in parts)
        solid = np.maximum(alpha, 1e-3)
        return Sprite(sun / solid, sky / solid, alpha)


def _twigs(height: int, sun: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Grow the twigs of one tree; return their paths in pixels and their (sun, sky, 0) light, farthest first."""
    tiers, branches = 32 + height // 40, 8 + height // 75
    levels = np.repeat(np.linspace(0.01, 1, tiers) ** 0.92, branches) + rng.normal(0, 0.0035, tiers * branches)
    levels = np.clip(levels, 0.008, 1)
    slim, droop = rng.uniform(0.145, 0.20), rng.uniform(0.16, 0.34)
    turn = rng.uniform(0, 2 * np.pi, levels.size)
    reach = (0.003 + slim * levels**0.85) * rng.uniform(0.5, 1.1, levels.size)
    reach *= 1 + 0.22 * np.sin(turn * 2 + rng.uniform(0, 6) + levels * 7) + 0.16 * np.sin(levels * 31 + turn * 3)
    reach *= 1 - 0.45 * np.clip((levels - 0.88) / 0.12, 0, 1)
    per_branch = 18 + height // 70
    part = np.linspace(0.10, 1.0, per_branch)[None] + rng.normal(0, 0.03, (levels.size, per_branch))
    out = reach[:, None] * part
    side = (
        np.where(np.arange(per_branch) % 2, 1, -1)
        * 0.30
        * reach[:, None]
        * (1.05 - part)
        * rng.uniform(0.3, 1, part.shape)
    )
    x = out * np.cos(turn)[:, None] - side * np.sin(turn)[:, None]
    z = out * np.sin(turn)[:, None] + side * np.cos(turn)[:, None]
    sag = droop * out * (1.25 - 0.75 * part)
    y = levels[:, None] * 0.95 + sag + rng.normal(0, 0.003, part.shape)
    normal = np.stack([np.cos(turn), np.full(turn.shape, 0.75), np.sin(turn)], axis=1)
    facing = rng.uniform(0.35, 1.15, turn.size) * np.clip(normal @ sun / np.linalg.norm(normal, axis=1), 0, 1)
    open_sky = np.clip(part, 0, 1) ** 1.2
    direct = facing[:, None] * open_sky**1.6 * rng.uniform(0.15, 1.3, part.shape)
    ambient = (0.10 + 0.90 * open_sky) * rng.uniform(0.6, 1.1, part.shape)
    length = 0.005 + 0.065 * reach[:, None] * rng.uniform(0.6, 1.3, part.shape)
    lean = np.arctan2(0.30 + 0.35 * part, np.cos(turn)[:, None] + side / (reach[:, None] + 1e-6))
    arm = np.stack([np.cos(lean), np.sin(lean)], axis=-1) * length[..., None] / 2
    centre = np.stack([x, y], axis=-1)
    bow = np.stack([np.zeros_like(length), -0.12 * length], axis=-1)
    path = np.stack([centre - arm, centre + bow, centre + arm], axis=-2).reshape(-1, 3, 2) * height
    order = np.argsort(z.ravel(), kind="stable")[::-1]
    light = np.stack([direct.ravel(), ambient.ravel(), 0 * ambient.ravel()], axis=1)
    return path[order].astype(np.float32), light[order].astype(np.float32)


def grow(height: int, sun: Array, seed: int) -> Sprite:
    """Grow a spruce of a height in pixels, lit from the direction `sun`."""
    rng = np.random.default_rng(seed)
    width = int(height * 0.5)
    canvas = Canvas(width, height)
    path, light = _twigs(height, sun, rng)
    path[..., 0] += width / 2
    trunk = np.array([[[width / 2, height - 1.0], [width / 2, height * 0.5], [width / 2, height * 0.004]]], np.float32)
    lay(canvas, trunk, np.array([[0.22, 0.30, 0]], np.float32), Brush(height * 0.020, 0.5, 0, 0.95), rng)
    lay(canvas, path, light, Brush(max(2.0, height * 0.0022), 0.3, 0.9, 0.6), rng)
    alpha = (canvas.thickness > 0).astype(np.float32)
    return Sprite(canvas.colour[..., 0].copy(), canvas.colour[..., 1].copy(), alpha)
