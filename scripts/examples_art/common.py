"""Helpers shared by the example pictures: noise, colour ramps, shapes, lighting and saving."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFile
from scipy import ndimage

SUPERSAMPLE = 2
MAX_BYTES = 400_000
_LATTICE = 256

Array = np.ndarray


def pixel_grid(width: int, height: int) -> tuple[Array, Array]:
    """Return the x and y of every pixel, as two float32 arrays of shape (height, width)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return x, y


def smoothstep(low: float | Array, high: float | Array, value: Array) -> Array:
    """Ease from 0 at `low` to 1 at `high`; `low` may lie above `high`."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(first: Array, second: Array, amount: Array) -> Array:
    """Blend two colour arrays; `amount` lacks the colour axis."""
    return first + (second - first) * amount[..., None]


def perlin(x: Array, y: Array, seed: int) -> Array:
    """Gradient noise of about -1..1 at any coordinates; one lattice cell per unit."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, _LATTICE * _LATTICE).astype(np.float32)
    grad_x, grad_y = np.cos(angle), np.sin(angle)
    x0, y0 = np.floor(x), np.floor(y)
    fx, fy = (x - x0).astype(np.float32), (y - y0).astype(np.float32)
    col, row = x0.astype(np.int32), y0.astype(np.int32)

    def corner(dx: int, dy: int) -> Array:
        index = ((row + dy) % _LATTICE) * _LATTICE + (col + dx) % _LATTICE
        return grad_x[index] * (fx - dx) + grad_y[index] * (fy - dy)

    u = fx * fx * fx * (fx * (fx * 6 - 15) + 10)
    v = fy * fy * fy * (fy * (fy * 6 - 15) + 10)
    top = corner(0, 0) * (1 - u) + corner(1, 0) * u
    bottom = corner(0, 1) * (1 - u) + corner(1, 1) * u
    return (top * (1 - v) + bottom * v) * np.float32(1.5)


def fbm(x: Array, y: Array, seed: int, octaves: int = 5, gain: float = 0.5) -> Array:
    """Sum octaves of gradient noise, scaled back to about -1..1."""
    total = np.zeros(np.broadcast(x, y).shape, np.float32)
    amplitude, frequency, norm = 1.0, 1.0, 0.0
    for octave in range(octaves):
        total += amplitude * perlin(x * frequency + 17.3 * octave, y * frequency - 9.1 * octave, seed + octave)
        norm += amplitude
        amplitude *= gain
        frequency *= 2.03
    return total / norm


def ranked(values: Array) -> Array:
    """Replace values by their rank in 0..1, so that every level covers an equal area."""
    flat = values.ravel()
    out = np.empty(flat.size, np.float32)
    out[np.argsort(flat, kind="stable")] = np.linspace(0, 1, flat.size, dtype=np.float32)
    return out.reshape(values.shape)


def rgb(code: str) -> Array:
    """Turn a colour such as '#1d3557' into three floats of 0..1."""
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255


def palette(*codes: str) -> Array:
    """Stack hexadecimal colours as rows."""
    return np.stack([rgb(code) for code in codes])


def ramp(colours: Array, t: Array, stops: Sequence[float] | None = None) -> Array:
    """Look up `t` (0..1) in a row of colours, evenly spaced unless `stops` are given."""
    places = np.linspace(0, 1, len(colours)) if stops is None else np.asarray(stops)
    return np.stack([np.interp(t, places, colours[:, i]) for i in range(3)], axis=-1).astype(np.float32)


def smooth_curve(points: Iterable[tuple[float, float]], per_span: int = 24, closed: bool = False) -> Array:
    """Run a Catmull-Rom curve through the points."""
    p = np.asarray(list(points), np.float64)
    p = np.concatenate([p[-1:], p, p[:2]]) if closed else np.concatenate([p[:1], p, p[-1:]])
    t = np.linspace(0, 1, per_span, endpoint=False)[:, None]
    spans = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True)
    ]
    return np.concatenate(spans if closed else [*spans, p[-2:-1]])


def polygon_mask(points: Array, width: int, height: int) -> Array:
    """Fill a polygon given in pixels; return a boolean mask."""
    image = Image.new("1", (width, height))
    ImageDraw.Draw(image).polygon([tuple(map(float, point)) for point in points], fill=1)
    return np.array(image, bool)


def relief(colour: Array, height: Array, strength: float, shine: float, soften: float = 1.0) -> Array:
    """Light a colour picture from the upper left as if `height` were its surface."""
    smooth = ndimage.gaussian_filter(height, soften)
    slope_y, slope_x = np.gradient(smooth * strength)
    norm = 1 / np.sqrt(slope_x**2 + slope_y**2 + 1)
    light = np.array([-0.48, -0.58, 0.66])
    diffuse = (-slope_x * light[0] - slope_y * light[1] + light[2]) * norm
    half = light + np.array([0, 0, 1])
    half /= np.linalg.norm(half)
    gloss = np.clip((-slope_x * half[0] - slope_y * half[1] + half[2]) * norm, 0, 1) ** 40
    shade = 0.35 + 0.65 * diffuse / light[2]
    flat_gloss = half[2] ** 40
    return colour * shade[..., None] + shine * (gloss - flat_gloss)[..., None]


def grade(colour: Array, contrast: float = 1.0, saturation: float = 1.0) -> Array:
    """Adjust contrast about the middle and saturation about the grey of each pixel."""
    grey = (colour @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    return np.clip((grey + (colour - grey) * saturation - 0.5) * contrast + 0.5, 0, 1)


def to_image(colour: Array) -> Image.Image:
    """Round a supersampled float picture to bytes and shrink it with Lanczos."""
    image = Image.fromarray((np.clip(colour, 0, 1) * 255 + 0.5).astype(np.uint8))
    return image.resize((image.width // SUPERSAMPLE, image.height // SUPERSAMPLE), Image.Resampling.LANCZOS)


def save_jpeg(image: Image.Image, path: Path) -> None:
    """Write the best JPEG that stays under MAX_BYTES, with full colour resolution where that costs little."""
    ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, image.width * image.height * 3)  # room for an optimised JPEG
    for subsampling, lowest in ((0, 76), (2, 30)):
        for quality in range(95, lowest - 1, -1):
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=quality, subsampling=subsampling, optimize=True, progressive=True)
            if buffer.tell() <= MAX_BYTES:
                path.write_bytes(buffer.getvalue())
                return
    raise ValueError(f"{path.name} does not fit into {MAX_BYTES} bytes")
