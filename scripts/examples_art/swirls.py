"""Style picture: a night sky of thick oil strokes that swirl around glowing orbs above rolling hills."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from .common import (
    SUPERSAMPLE,
    Array,
    fbm,
    grade,
    mix,
    palette,
    pixel_grid,
    polygon_mask,
    ramp,
    ranked,
    relief,
    rgb,
    smooth_curve,
    smoothstep,
    to_image,
)
from .strokes import Brush, Canvas, lay, lookup, scatter, trace

SEED = 1889
WIDTH, HEIGHT = 1024 * SUPERSAMPLE, 816 * SUPERSAMPLE
SKY, FAR_HILL, MID_HILL, FIELD, CYPRESS, VILLAGE = range(6)

NIGHT = palette("#0a1236", "#12206b", "#1b3a96", "#2459b8", "#3d83cc", "#79b3d8", "#c4dfdc", "#f0ecc2")
GLOW = palette("#fff9d6", "#ffe98a", "#fbc02d", "#f29a1c", "#d9b84a", "#9cc29a", "#4f9fc0", "#2459b8")
HILL_RAMPS = {
    FAR_HILL: palette("#161a52", "#2b3686", "#4a5fa8", "#4f8f9c", "#9ccaa2"),
    MID_HILL: palette("#0e2a3f", "#17503f", "#2f7a52", "#6fa055", "#c0b95a"),
    FIELD: palette("#5a3a12", "#a8661a", "#d8942a", "#f0c04a", "#f8e08c"),
    CYPRESS: palette("#050d14", "#0b2018", "#173a20", "#37582a", "#7a6a2c"),
}
ACCENTS = palette("#ffb347", "#e4572e", "#8e5bb5", "#2ec4b6", "#fff1a8")


@dataclass(frozen=True)
class Vortex:
    """A whirl of the sky, in units of the picture's height; `glow` is the radius of its light, 0 for none."""

    x: float
    y: float
    reach: float
    spin: float
    glow: float = 0.0


VORTICES = (
    Vortex(1.065, 0.175, 0.20, 1, 0.155),
    Vortex(0.60, 0.30, 0.21, 1),
    Vortex(0.845, 0.425, 0.125, -1),
    Vortex(0.36, 0.135, 0.105, -1, 0.075),
    Vortex(0.70, 0.075, 0.085, 1, 0.055),
    Vortex(0.87, 0.155, 0.07, -1, 0.048),
    Vortex(0.40, 0.47, 0.09, 1, 0.058),
    Vortex(1.17, 0.46, 0.09, -1, 0.062),
    Vortex(0.08, 0.10, 0.10, 1, 0.065),
    Vortex(0.065, 0.40, 0.09, -1, 0.055),
    Vortex(0.62, 0.535, 0.06, -1, 0.036),
    Vortex(0.985, 0.53, 0.055, 1, 0.032),
)


def _hill_line(region: int, x: Array) -> Array:
    """Height of a hill's skyline at x, downwards from the top of the picture."""
    if region == FAR_HILL:
        return 0.625 - 0.045 * np.sin(x * 5.2 + 0.4) - 0.022 * np.sin(x * 11 + 2) - 0.03 * np.sin(x * 2.1 + 4.3)
    if region == MID_HILL:
        return 0.735 - 0.045 * np.sin(x * 4.1 + 3.3) - 0.012 * np.sin(x * 13)
    return 0.865 + 0.04 * np.sin(x * 4.4 + 4.6) - 0.01 * np.sin(x * 15 + 1)


def _cypress_outline() -> Array:
    """Outline, in pixels, of the two flame-shaped cypresses at the left."""
    tall = [(0.235, 0.075), (0.262, 0.20), (0.252, 0.30), (0.292, 0.42), (0.285, 0.53), (0.322, 0.66), (0.318, 0.80)]
    tall += [(0.345, 1.02), (0.13, 1.02), (0.150, 0.80), (0.135, 0.68), (0.172, 0.55), (0.165, 0.44), (0.203, 0.33)]
    return smooth_curve([*tall, (0.205, 0.21)], closed=True) * HEIGHT


def _small_cypress_outline() -> Array:
    """Outline, in pixels, of the lower cypress beside the tall one."""
    low = [(0.385, 0.50), (0.402, 0.60), (0.418, 0.70), (0.430, 0.84), (0.445, 1.02), (0.325, 1.02), (0.335, 0.84)]
    return smooth_curve([*low, (0.352, 0.72), (0.365, 0.60)], closed=True) * HEIGHT


def _village() -> list[tuple[list[tuple[float, float]], str]]:
    """Outlines, in units of the picture's height, and colours of a village with a church in the valley."""
    shapes = []
    houses = ((0.565, 0.708, 0.050, 0.030), (0.640, 0.716, 0.058, 0.034), (0.795, 0.712, 0.056, 0.033))
    for x, y, wide, tall in (*houses, (0.865, 0.700, 0.046, 0.029), (0.925, 0.706, 0.052, 0.030)):
        wall = [(x, y), (x, y - tall), (x + wide, y - tall), (x + wide, y)]
        roof = [(x - 0.005, y - tall), (x + wide * 0.25, y - tall - 0.022), (x + wide * 0.75, y - tall - 0.022)]
        shapes += [(wall, "#5f83b8"), ([*roof, (x + wide + 0.005, y - tall)], "#243a86")]
        left, top = x + wide * 0.34, y - tall * 0.78
        shapes.append(([(left, top), (left + 0.017, top), (left + 0.017, top + 0.020), (left, top + 0.020)], "#ffc93a"))
    shapes.append(([(0.712, 0.715), (0.712, 0.650), (0.778, 0.650), (0.778, 0.715)], "#7f9cc4"))
    shapes.append(([(0.704, 0.652), (0.722, 0.622), (0.768, 0.622), (0.786, 0.652)], "#1c2f74"))
    shapes.append(([(0.728, 0.655), (0.728, 0.585), (0.752, 0.585), (0.752, 0.655)], "#6a8abf"))
    shapes.append(([(0.724, 0.588), (0.740, 0.508), (0.756, 0.588)], "#16265f"))
    shapes.append(([(0.734, 0.612), (0.747, 0.612), (0.747, 0.630), (0.734, 0.630)], "#ffc93a"))
    return shapes


def _regions(x: Array, y: Array) -> Array:
    """Label every pixel with the part of the scene that it shows."""
    label = np.zeros(x.shape, np.uint8)
    for region in (FAR_HILL, MID_HILL, FIELD):
        label[y > _hill_line(region, x)] = region
    for outline, _ in _village():
        label[polygon_mask(np.array(outline) * HEIGHT, WIDTH, HEIGHT)] = VILLAGE
    tufts = 0.003 * np.sin(y * 120 + 60 * x) + 0.034 * fbm(x * 8, y * 13, SEED + 30, 4)
    frayed = np.stack([(x + tufts) * HEIGHT, (y + 0.6 * tufts) * HEIGHT], axis=-1)
    for outline in (_cypress_outline(), _small_cypress_outline()):
        label[lookup(polygon_mask(outline, WIDTH, HEIGHT), frayed)] = CYPRESS
    return label


def _sky_flow(x: Array, y: Array) -> tuple[Array, Array]:
    """Direction of the wind: a wavy stream from the left, wound up by the vortices."""
    bend = 0.75 * np.sin(x * 5.3 - 0.6) * np.exp(-(((y - 0.36) / 0.28) ** 2)) + 0.9 * fbm(x * 2.2, y * 2.2, SEED, 2)
    u, v = np.cos(bend), np.sin(bend)
    for whirl in VORTICES:
        dx, dy = x - whirl.x, y - whirl.y
        distance = np.sqrt(dx * dx + dy * dy) + 1e-4
        weight = np.exp(-((distance / whirl.reach) ** 4))
        inward = 0.0 if whirl.glow else 0.30
        turn_u = (-dy * whirl.spin - dx * inward) / distance
        turn_v = (dx * whirl.spin - dy * inward) / distance
        u, v = u * (1 - weight) + turn_u * weight, v * (1 - weight) + turn_v * weight
    return u, v


def _flow(x: Array, y: Array, label: Array) -> Array:
    """Angle of the brush at every pixel."""
    angle = np.arctan2(*_sky_flow(x, y)[::-1])
    wobble = fbm(x * 4, y * 4, SEED + 20, 2)
    for region in (FAR_HILL, MID_HILL, FIELD):
        slope = (_hill_line(region, x + 0.005) - _hill_line(region, x - 0.005)) / 0.01
        depth = np.clip(y - _hill_line(region, x), 0, 1)
        along = np.arctan(slope * np.exp(-depth * 4)) + wobble * (0.5 + 2 * depth)
        angle = np.where(label == region, along, angle)
    flame = -np.pi / 2 + 0.55 * np.sin(y * 24 + x * 30) + 0.5 * wobble
    angle = np.where(label == CYPRESS, flame, angle)
    return np.where(label == VILLAGE, 0.15 * wobble, angle).astype(np.float32)


def _streaks(angle: Array, sigma: float, reach: int, seed: int) -> Array:
    """Smear noise along the flow and return its rank, which makes bands of light and dark."""
    coarse = angle[::4, ::4]
    noise = np.random.default_rng(seed).standard_normal(coarse.shape).astype(np.float32)
    noise = ndimage.gaussian_filter(noise, sigma)
    start = np.stack(pixel_grid(coarse.shape[1], coarse.shape[0]), axis=-1).reshape(-1, 2)
    path = trace(start, coarse, 2.0 * reach, steps=reach)
    bands = ranked(lookup(noise, path).mean(axis=1).reshape(coarse.shape))
    return ndimage.zoom(bands, 4, order=1, grid_mode=True, mode="nearest")


def _design(x: Array, y: Array, label: Array, bands: Array) -> Array:
    """Colour that the strokes should convey at every pixel."""
    lightness = np.clip(bands * 0.80 + 0.16 * smoothstep(0.1, 0.6, y) - 0.02, 0, 1)
    colour = ramp(NIGHT, lightness)
    for whirl in VORTICES:
        distance = np.hypot(x - whirl.x, y - whirl.y)
        if whirl.glow:
            rings = distance / whirl.glow + 0.42 * (bands - 0.5) + 0.10 * np.sin(distance * 190)
            halo = ramp(NIGHT, np.clip(0.62 + 0.38 * np.sin(distance * 230 + 9 * bands), 0, 1))
            colour = mix(colour, halo, 0.75 * smoothstep(1.75, 1.15, rings))
            colour = mix(colour, ramp(GLOW, np.clip(rings, 0, 1)), smoothstep(1.30, 0.70, rings))
        else:
            pale = ramp(NIGHT, np.clip(0.25 + 0.75 * bands, 0, 1))
            colour = mix(colour, pale, 0.8 * smoothstep(1.1, 0.5, distance / whirl.reach))
    for region, colours in HILL_RAMPS.items():
        depth = y - _hill_line(region, x) if region != CYPRESS else 0 * y
        crest = 0.35 * np.exp(-((depth / 0.018) ** 2)) if region != CYPRESS else 0
        colour = np.where((label == region)[..., None], ramp(colours, np.clip(0.9 * bands + crest, 0, 1)), colour)
    for outline, tint in _village():
        mask = polygon_mask(np.array(outline) * HEIGHT, WIDTH, HEIGHT) & (label == VILLAGE)
        colour[mask] = rgb(tint) * (0.8 + 0.4 * bands[mask, None])
    return colour


def _paint_layer(
    canvas: Canvas,
    scene: dict[str, Array],
    brush: Brush,
    length: float,
    share: float,
    rng: np.random.Generator,
    region: int | None = None,
) -> None:
    """Cover `share` of the canvas's grid points, or of one region's, with strokes of one size."""
    start = scatter(WIDTH, HEIGHT, brush.width * 0.8, rng)
    start = start[: int(len(start) * share)]
    label = lookup(scene["label"], start)
    if region is not None:
        start, label = start[label == region], label[label == region]
    path = trace(
        start,
        scene["angle"],
        length * np.array([1.0, 0.75, 0.75, 0.75, 0.75, 0.16])[label] * rng.uniform(0.6, 1.1, len(start)),
    )
    colour = lookup(scene["design"], start)
    colour = colour * rng.normal(1, 0.10, (len(start), 1)) + rng.normal(0, 0.022, (len(start), 3))
    accent = rng.random(len(start)) < 0.025
    colour[accent] = mix(colour, ACCENTS[rng.integers(0, len(ACCENTS), len(start))], np.full(len(start), 0.55))[accent]
    lay(canvas, path, colour.astype(np.float32), brush, rng, (scene["label"], label))


def draw() -> Image.Image:
    """Draw the picture."""
    rng = np.random.default_rng(SEED)
    x, y = (axis / HEIGHT for axis in pixel_grid(WIDTH, HEIGHT))
    label = _regions(x, y)
    angle = _flow(x, y, label)
    bands = _streaks(angle, 2.6, 26, SEED)
    scene = {"label": label, "angle": angle, "design": _design(x, y, label, bands)}
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.paint[:, :3] = scene["design"].reshape(-1, 3) * 0.6
    _paint_layer(canvas, scene, Brush(34, 0.14, 0.2), 250, 1.0, rng)
    _paint_layer(canvas, scene, Brush(23, 0.15, 0.5), 190, 1.0, rng)
    _paint_layer(canvas, scene, Brush(14, 0.13, 0.55, body=0.9), 120, 0.5, rng)
    _paint_layer(canvas, scene, Brush(7.5, 0.08, 0.2, body=0.9), 110, 1.0, rng, VILLAGE)
    colour = relief(canvas.colour, canvas.thickness, 1.5, 0.38)
    return to_image(grade(colour, 1.06, 1.12))
