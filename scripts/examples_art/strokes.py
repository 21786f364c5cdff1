"""Brush strokes: traced along a flow field and laid, in order, on a canvas of colour and paint height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .common import Array

_DENSITY = 1.45  # samples per pixel, enough to leave no holes on the outside of a bend
_BATCH_SAMPLES = 2_000_000
_BRISTLE_ROWS = 48


@dataclass
class Canvas:
    """Colour in the first three channels of `paint`, the thickness of the paint in the fourth."""

    width: int
    height: int

    def __post_init__(self) -> None:
        """Start with a blank, flat surface."""
        self.paint = np.zeros((self.height * self.width, 4), np.float32)

    @property
    def colour(self) -> Array:
        """The painted colours, as (height, width, 3)."""
        return self.paint[:, :3].reshape(self.height, self.width, 3)

    @property
    def thickness(self) -> Array:
        """The thickness of the paint, as (height, width)."""
        return self.paint[:, 3].reshape(self.height, self.width)


@dataclass(frozen=True)
class Brush:
    """How a stroke looks: its width in pixels and the character of its paint."""

    width: float
    streaks: float = 0.06  # brightness variation between bristles
    dryness: float = 0.25  # how far the tail of a stroke breaks up into bristles
    tip: float = 0.25  # share of the length over which a stroke swells and tapers
    body: float = 1.0  # paint thickness


def scatter(width: int, height: int, spacing: float, rng: np.random.Generator) -> Array:
    """Return shuffled points, one in each cell of a jittered grid that covers the canvas."""
    xs, ys = np.meshgrid(np.arange(0, width + spacing, spacing), np.arange(0, height + spacing, spacing))
    points = np.stack([xs.ravel(), ys.ravel()], axis=1) + rng.uniform(-0.5, 0.5, (xs.size, 2)) * spacing
    points = np.clip(points, 0, [width - 1, height - 1])
    return points[rng.permutation(len(points))].astype(np.float32)


def lookup(field: Array, points: Array) -> Array:
    """Read an array at the nearest pixel to each (x, y); outside points read the border."""
    x = np.clip(points[..., 0].astype(np.int32), 0, field.shape[1] - 1)
    y = np.clip(points[..., 1].astype(np.int32), 0, field.shape[0] - 1)
    return field[y, x]


def trace(start: Array, angle: Array, length: float | Array, steps: int = 12) -> Array:
    """Follow a field of directions both ways from each start; return paths of shape (n, 2 * steps + 1, 2)."""
    half_step = np.broadcast_to(np.asarray(length, np.float32) / (2 * steps), (len(start),))[:, None]
    halves = []
    for sign in (-1, 1):
        point, path = start, []
        for _ in range(steps):
            heading = lookup(angle, point)
            point = point + sign * half_step * np.stack([np.cos(heading), np.sin(heading)], axis=1)
            path.append(point)
        halves.append(path)
    return np.stack([*halves[0][::-1], start, *halves[1]], axis=1)


def straight(centre: Array, angle: Array, length: Array) -> Array:
    """Return straight three-point paths through each centre."""
    arm = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.asarray(length)[..., None] / 2
    return np.stack([centre - arm, centre, centre + arm], axis=1).astype(np.float32)


def _bristles(along: int, across: int, rng: np.random.Generator) -> Array:
    """Make textures of about -1..1 that vary quickly across a stroke and slowly along it."""
    noise = rng.standard_normal((_BRISTLE_ROWS, along, across)).astype(np.float32)
    noise = ndimage.gaussian_filter(noise, (0, along * 0.16, 0.75))
    return noise / (noise.std() * 2)


def _resample(path: Array, count: int) -> Array:
    """Interpolate each path linearly at `count` even parameters."""
    place = np.linspace(0, path.shape[1] - 1, count)
    left = np.minimum(place.astype(int), path.shape[1] - 2)
    part = (place - left).astype(np.float32)[:, None]
    return path[:, left] * (1 - part) + path[:, left + 1] * part


def _swell(u: Array, tip: float) -> Array:
    """Width of a stroke along its length: round at the head, long and thin at the tail."""
    head = np.sqrt(np.clip(u / (tip * 0.5 + 1e-3), 0, 1))
    tail = np.sqrt(np.clip((1 - u) / (tip + 1e-3), 0, 1))
    return np.minimum(head, tail)


def lay(
    canvas: Canvas,
    path: Array,
    colour: Array,
    brush: Brush,
    rng: np.random.Generator,
    regions: tuple[Array, Array] | None = None,
) -> None:
    """Lay strokes in order along `path`, one colour each.

    With `regions`, a label map and one label per stroke, paint stays inside the pixels that bear its own label.
    """
    length = np.linalg.norm(np.diff(path, axis=1), axis=2).sum(axis=1).max()
    along, across = int(length * _DENSITY) + 4, int(brush.width * _DENSITY) + 3
    bristles = _bristles(along, across, rng)
    order = rng.integers(0, _BRISTLE_ROWS, len(path))
    scale = rng.uniform(0.75, 1.15, len(path)).astype(np.float32)
    lift = rng.uniform(0, 0.5, len(path)).astype(np.float32)
    batch = max(1, _BATCH_SAMPLES // (along * across))
    for first in range(0, len(path), batch):
        part = slice(first, first + batch)
        place = _footprint(path[part], along, across, brush, scale[part])
        texture = bristles[order[part]]
        keep = _wet(texture, brush) & (place >= 0).all(axis=-1)
        keep &= (place[..., 0] < canvas.width) & (place[..., 1] < canvas.height)
        if regions is not None:
            keep &= lookup(regions[0], place) == regions[1][part, None, None]
        layer = _layer(texture, colour[part], lift[part], brush)
        index = place[..., 1].astype(np.int64) * canvas.width + place[..., 0].astype(np.int64)
        canvas.paint[index[keep]] = layer[keep]


def _footprint(path: Array, along: int, across: int, brush: Brush, scale: Array) -> Array:
    """Return the pixel position of every sample of every stroke."""
    spine = _resample(path, along)
    tangent = np.gradient(spine, axis=1)
    tangent /= np.linalg.norm(tangent, axis=2, keepdims=True) + 1e-6
    half_width = brush.width / 2 * _swell(np.linspace(0, 1, along, dtype=np.float32), brush.tip)
    offset = np.linspace(-1, 1, across, dtype=np.float32)[None, None] * half_width[None, :, None]
    offset = offset * scale[:, None, None]
    normal = np.stack([-tangent[..., 1], tangent[..., 0]], axis=-1)
    return spine[:, :, None] + normal[:, :, None] * offset[..., None]


def _wet(texture: Array, brush: Brush) -> Array:
    """Tell where bristles still hold paint: everywhere at the head, in streaks at the tail."""
    u = np.linspace(0, 1, texture.shape[1], dtype=np.float32)[None, :, None]
    return texture > -2 + brush.dryness * 3.2 * u**2


def _layer(texture: Array, colour: Array, lift: Array, brush: Brush) -> Array:
    """Return colour and thickness of every sample of every stroke."""
    v = np.linspace(-1, 1, texture.shape[2], dtype=np.float32)
    profile = np.sqrt(1 - 0.9 * v**2) + 0.35 * np.exp(-(((np.abs(v) - 0.8) / 0.12) ** 2))
    layer = np.empty((*texture.shape, 4), np.float32)
    layer[..., :3] = colour[:, None, None, :] * (1 + brush.streaks * texture[..., None])
    layer[..., 3] = brush.body * (profile + 0.5 * texture) + lift[:, None, None]
    return layer
