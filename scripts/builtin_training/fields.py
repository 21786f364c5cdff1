"""Textures as formulas: scalar fields over the pixels, and the palettes that colour them."""

from __future__ import annotations

import colorsys

import numpy as np
from scipy import ndimage, spatial

Array = np.ndarray
Rng = np.random.Generator


def grid(side: int, rng: Rng) -> tuple[Array, Array]:
    """Coordinates of every pixel in a frame turned at random, in pixels, each (side, side)."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def noise(rng: Rng, side: int, exponent: float, stretch: float = 1.0) -> Array:
    """Gaussian noise of spectrum 1/f^exponent (amplitude), drawn out along a random direction. Mean 0, deviation 1."""
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    angle = rng.uniform(0, np.pi)
    along, across = fx * np.cos(angle) + fy * np.sin(angle), fy * np.cos(angle) - fx * np.sin(angle)
    frequency = np.hypot(along * stretch, across / stretch)
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal((side, side))) * frequency**-exponent
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, (side, side)).astype(np.float32)
    return field / field.std()


def band_noise(rng: Rng, side: int) -> Array:
    """Noise of about one wavelength: blotches, fur, ripples."""
    fine = rng.uniform(0.6, 3)
    field = ndimage.gaussian_filter(noise(rng, side, 0.2, rng.uniform(1, 3)), fine)
    field -= ndimage.gaussian_filter(field, fine * rng.uniform(1.5, 3))
    return field / field.std()


def clouds(rng: Rng, side: int) -> Array:
    """Noise like that of clouds, stone or bark."""
    return noise(rng, side, rng.uniform(0.8, 2.2), rng.choice([1, rng.uniform(1, 4)]))


def waves(rng: Rng, side: int) -> Array:
    """Bent stripes: sand, marble, cloth, engraving."""
    x, y = grid(side, rng)
    bend = noise(rng, side, 2) * rng.uniform(0, 8) + rng.uniform(0, 6) * np.sin(y / rng.uniform(10, 60))
    wave = np.sin((x + bend) * (2 * np.pi / rng.uniform(4, 40)))
    return np.tanh(wave * rng.uniform(0.5, 6))


def rings(rng: Rng, side: int) -> Array:
    """Rings around a point: wood, shells, ripples."""
    x, y = grid(side, rng)
    centre = rng.uniform(-0.5, 1.5, 2) * side
    radius = np.hypot(x - centre[0], (y - centre[1]) * rng.uniform(0.4, 1)) + noise(rng, side, 2) * rng.uniform(0, 6)
    return np.tanh(np.sin(radius * (2 * np.pi / rng.uniform(5, 30))) * rng.uniform(0.5, 4))


def tiles(rng: Rng, side: int) -> Array:
    """Bricks, checks and weaves."""
    x, y = grid(side, rng)
    wobble = noise(rng, side, 2) * rng.uniform(0, 2)
    width, height = rng.uniform(6, 50, 2)
    row = np.floor((y + wobble) / height)
    u = (x + wobble + row % 2 * width * rng.choice([0, 0.5])) / width
    inside = np.minimum(np.abs(u % 1 - 0.5) * width, np.abs((y + wobble) / height % 1 - 0.5) * height)
    shade = rng.random((64, 64))[np.floor(u).astype(int) % 64, row.astype(int) % 64]
    if rng.random() < 0.3:
        shade = (np.floor(u) + row) % 2
    joint = np.abs(u % 1 - 0.5) * width > width / 2 - rng.uniform(0.5, 2)
    joint |= np.abs((y + wobble) / height % 1 - 0.5) * height > height / 2 - rng.uniform(0.5, 2)
    return np.where(joint, rng.choice([-2, 2]), shade * rng.uniform(0.5, 2) + inside / (width + height))


def cells(rng: Rng, side: int) -> Array:
    """Cells around random points: pebbles, scales, cracked earth, leaded glass."""
    spacing = np.exp(rng.uniform(np.log(5), np.log(40)))
    points = rng.uniform(-0.1, 1.1, (int(1.5 * (side / spacing) ** 2), 2)) * side
    y, x = np.mgrid[:side, :side]
    query = np.stack([y + noise(rng, side, 2) * rng.uniform(0, 3), x], -1) * [1, rng.uniform(0.5, 1)]
    distance, index = spatial.cKDTree(points).query(query.reshape(-1, 2), k=2)
    distance, index = distance.reshape(side, side, 2), index.reshape(side, side, 2)
    gap = distance[..., 1] - distance[..., 0]
    field = rng.random(len(points))[index[..., 0]] * rng.uniform(0, 2)
    if rng.random() < 0.6:
        field = np.where(gap < rng.uniform(0.7, 3), rng.choice([-1.5, 1.5]), field)
    return (field + rng.choice([0, rng.uniform(-0.1, 0.1)]) * distance[..., 0]).astype(np.float32)


def spots(rng: Rng, side: int) -> Array:
    """Dots on a jittered grid."""
    x, y = grid(side, rng)
    pitch, jitter = np.exp(rng.uniform(np.log(3.5), np.log(24))), rng.uniform(0, 0.35)
    u, v = np.floor(x / pitch).astype(int), np.floor(y / pitch).astype(int)
    shift = rng.uniform(-jitter, jitter, (128, 128, 2))[u % 128, v % 128]
    radius = np.hypot(x / pitch - u - 0.5 - shift[..., 0], y / pitch - v - 0.5 - shift[..., 1])
    dot = np.clip((rng.uniform(0.2, 0.5) - radius) * pitch + 0.5, 0, 1)
    return dot * (1 + rng.random((128, 128))[u % 128, v % 128] * rng.uniform(0, 1.5))


FIELDS = (clouds, band_noise, waves, rings, tiles, cells, spots)


def palette(rng: Rng) -> Array:
    """Two to six colours that belong together, dark to light, (colours, 3) of 0-1."""
    count = rng.integers(2, 7)
    spread = rng.choice([0.03, 0.1, 0.5], p=[0.35, 0.35, 0.3])
    hues = rng.random() + spread * rng.standard_normal(count)
    if rng.random() < 0.3:
        hues[rng.integers(count)] += 0.5
    saturation = np.clip(rng.beta(1.2, 2) + 0.15 * rng.standard_normal(count), 0, 1)
    low, high = np.sort(rng.beta(0.8, 0.8, 2))
    values = np.sort(np.clip(rng.uniform(low, high, count) + 0.05 * rng.standard_normal(count), 0, 1))
    colors = [colorsys.hls_to_rgb(h % 1, v, s) for h, v, s in zip(hues, values, saturation, strict=True)]
    if rng.random() < 0.25:
        rng.shuffle(colors)
    return np.array(colors, np.float32)


def colorize(field: Array, colors: Array) -> Array:
    """Map a field onto a palette, 2nd percentile to first colour, 98th to last: (side, side, 3) of 0-1."""
    low, high = np.percentile(field[::4, ::4], [2, 98])
    position = np.clip((field - low) / (high - low + 1e-6), 0, 1)
    stops = np.linspace(0, 1, len(colors))
    return np.stack([np.interp(position, stops, colors[:, c]) for c in range(3)], -1).astype(np.float32)


def texture(rng: Rng, side: int) -> Array:
    """A coloured texture, (side, side, 3) of 0-1: one formula, or one lit by another."""
    make = FIELDS[rng.integers(len(FIELDS))]
    picture = colorize(make(rng, side), palette(rng))
    if rng.random() < 0.4:
        picture *= np.clip(1 + rng.uniform(0.05, 0.3) * clouds(rng, side), 0, 2)[..., None]
    if rng.random() < 0.4:
        make = FIELDS[rng.integers(len(FIELDS))]
        over = colorize(make(rng, side), palette(rng))
        picture = picture + (over - picture) * rng.uniform(0.1, 0.5)
    return picture
