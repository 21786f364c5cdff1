"""Style picture: a harbour at sunset in dabs of pure, divided colour."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

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
    relief,
    rgb,
    smooth_curve,
    smoothstep,
    to_image,
)
from .strokes import Brush, Canvas, lay, lookup, scatter, straight

SEED = 1886
WIDTH, HEIGHT = 1000 * SUPERSAMPLE, 792 * SUPERSAMPLE
HORIZON = 0.50
SUN = (0.80, 0.385)

SKY = palette("#fff6c0", "#ffe596", "#ffc98a", "#f7ab92", "#d8a4b8", "#a8a6d2", "#84b4d8", "#5c9ccc", "#3f80bc")
SEA = palette("#ffe6a0", "#f9b48a", "#c58fb8", "#7b8fd0", "#4a7fc4", "#2d62b0", "#234a94")
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Boat:
    """A sailing boat: the middle of its waterline, its scale, and the colours of its sails."""

    x: float
    y: float
    size: float
    lit: str
    shade: str
    hull: str
    facing: int = 1


BOATS = (
    Boat(0.615, 0.530, 0.17, "#ffe3b0", "#c58ac0", "#49509f"),
    Boat(0.95, 0.575, 0.25, "#ffc37a", "#d86a5a", "#3f3f8f", -1),
    Boat(0.30, 0.690, 0.60, "#ffb04a", "#d9502f", "#2b2f7a"),
)


def _pure_pigments() -> Array:
    """Palette of the picture: twelve hues, each pure, as two tints and darkened."""
    mixes = ((0.95, 0.93), (0.62, 0.98), (0.32, 1.0), (0.85, 0.62), (0.16, 1.0))
    return np.array(
        [colorsys.hsv_to_rgb(hue / 14, saturation, value) for hue in range(14) for saturation, value in mixes],
        np.float32,
    )


def _sky(x: Array, y: Array) -> Array:
    """Sky that cools from the sun outwards, with bands of cloud."""
    distance = np.hypot(x - SUN[0], (y - SUN[1]) * 1.35)
    cloud = fbm(x * 2.2 + 3, y * 8 - x * 0.8, SEED, 4)
    colour = ramp(SKY, np.clip(distance * 1.05 + 0.10 * cloud, 0, 1))
    bank = smoothstep(0.05, 0.45, cloud) * smoothstep(0.02, 0.2, distance)
    warm = ramp(palette("#ffd08a", "#ffad80", "#f0a5a5", "#e0b4c8", "#d8cfe6"), np.clip(distance * 1.3, 0, 1))
    colour = mix(colour, warm, 0.85 * bank)
    return mix(colour, rgb("#fffbe6"), smoothstep(0.075, 0.055, np.hypot(x - SUN[0], y - SUN[1])))


def _sea(x: Array, y: Array) -> Array:
    """Water that mirrors the sky, with a path of light below the sun."""
    depth = (y - HORIZON) / (1 - HORIZON)
    wave = fbm(x * 5 / (0.3 + depth), 26 * np.sqrt(np.clip(depth, 0.0, 2)) + x * 0.4, SEED + 9, 3)
    side = np.abs(x - SUN[0])
    colour = ramp(SEA, np.clip(0.25 + 0.42 * side + 0.38 * depth + 0.42 * wave, 0, 1))
    path = smoothstep(0.13 + 0.16 * depth, 0.0, side + 0.12 * wave * (0.3 + depth)) * smoothstep(
        -0.25, 0.35, wave + 0.1
    )
    return mix(colour, ramp(palette("#fff2b8", "#ffcf6a", "#ff9a4a"), np.clip(depth, 0, 1)), 0.95 * path)


def _hills(x: Array, y: Array, colour: Array) -> Array:
    """Lay two far headlands over the sky."""
    far = HORIZON - 0.075 * smoothstep(0.75, 0.15, x) - 0.02 * fbm(x * 6, 0 * x, SEED + 3, 3)
    far = np.minimum(far, HORIZON - 0.045 * smoothstep(1.0, 1.25, x))
    near = HORIZON - 0.16 * smoothstep(0.42, -0.05, x) - 0.018 * fbm(x * 9, 0 * x, SEED + 4, 3) + 0.008
    light = fbm(x * 14, y * 22, SEED + 5, 3)
    far_colour = ramp(palette("#7a78c8", "#a58ad0", "#e3a0b8"), np.clip(0.5 + light + 0.3 * (x - 0.4), 0, 1))
    near_colour = ramp(palette("#2d4f8f", "#3f7f86", "#7fae62", "#e0bf5a"), np.clip(0.42 + 0.9 * light, 0, 1))
    colour = mix(colour, far_colour, (y > far).astype(np.float32))
    return mix(colour, near_colour, ((y > near) & (x < 0.46)).astype(np.float32))


def _village(colour: Array) -> Array:
    """Set a lighthouse and the houses of a village at the foot of the near headland."""
    rng = np.random.default_rng(SEED)
    blocks = []
    for left in np.arange(0.0, 0.40, 0.027):
        width, tall = rng.uniform(0.022, 0.034), rng.uniform(0.022, 0.05) * (1.25 - left * 1.6)
        wall = ("#ffe2b8", "#ffc9a0", "#f6a58a", "#fff0d0")[rng.integers(4)]
        base = HORIZON + 0.006
        blocks.append(([(left, base), (left, base - tall), (left + width, base - tall), (left + width, base)], wall))
        roof = [
            (left - 0.003, base - tall),
            (left + width / 2, base - tall - 0.016),
            (left + width + 0.003, base - tall),
        ]
        blocks.append((roof, ("#d9502f", "#b8406a", "#e8743a")[rng.integers(3)]))
    blocks.append(([(1.140, 0.490), (1.150, 0.280), (1.186, 0.280), (1.196, 0.490)], "#6f7ac8"))
    blocks.append(([(1.140, 0.490), (1.150, 0.280), (1.164, 0.280), (1.158, 0.490)], "#fff0c8"))
    blocks.append(([(1.142, 0.284), (1.142, 0.268), (1.194, 0.268), (1.194, 0.284)], "#3a3f8f"))
    blocks.append(([(1.153, 0.268), (1.153, 0.240), (1.183, 0.240), (1.183, 0.268)], "#ffd860"))
    blocks.append(([(1.146, 0.241), (1.168, 0.205), (1.190, 0.241)], "#d9402f"))
    mole = [(1.02, 0.51), (1.05, 0.492), (1.10, 0.478), (1.17, 0.470), (1.24, 0.475), (1.30, 0.47), (1.30, 0.51)]
    blocks.append((mole, "#4a4a9c"))
    blocks.append(([(1.05, 0.494), (1.10, 0.480), (1.15, 0.474), (1.13, 0.486), (1.07, 0.498)], "#f0a070"))
    for points, tint in blocks:
        colour[polygon_mask(np.array(points) * HEIGHT, WIDTH, HEIGHT)] = rgb(tint)
    return colour


def _boat_parts(boat: Boat) -> list[tuple[Array, str]]:
    """Outlines, in units of the picture's height, and colours of one boat from back to front."""
    main = smooth_curve([(0.02, -0.10), (0.035, -0.55), (0.05, -0.98), (0.20, -0.70), (0.36, -0.40), (0.44, -0.15)], 10)
    belly = smooth_curve([(0.05, -0.98), (0.20, -0.70), (0.36, -0.40), (0.44, -0.15), (0.30, -0.12)], 10)
    fold = smooth_curve([(0.30, -0.12), (0.27, -0.40), (0.16, -0.72), (0.05, -0.98)], 10)
    jib = smooth_curve(
        [(0.0, -0.86), (-0.12, -0.55), (-0.24, -0.30), (-0.38, -0.11), (-0.17, -0.15), (-0.02, -0.14)], 10
    )
    jib_shade = smooth_curve([(0.0, -0.86), (-0.05, -0.50), (-0.10, -0.13), (-0.02, -0.14)], 10)
    hull = smooth_curve([(-0.42, -0.095), (0.0, -0.06), (0.46, -0.10), (0.39, 0.0), (0.0, 0.012), (-0.33, 0.0)], 10)
    rail = [(-0.43, -0.10), (0.0, -0.066), (0.465, -0.105), (0.455, -0.082), (0.0, -0.045), (-0.41, -0.078)]
    mast = [(0.003, 0.0), (0.006, -1.05), (0.022, -1.05), (0.024, 0.0)]
    parts = [
        (mast, "#4a2f5a"),
        (main, boat.lit),
        (np.concatenate([belly, fold]), boat.shade),
        (jib, boat.lit),
        (jib_shade, boat.shade),
        (hull, boat.hull),
        (rail, "#ffd27a"),
    ]
    place = np.array([boat.x, boat.y])
    return [(place + np.asarray(points) * [boat.size * boat.facing, boat.size], tint) for points, tint in parts]


def _add_boat(colour: Array, x: Array, y: Array, boat: Boat) -> None:
    """Draw a boat and, below its waterline, its broken reflection."""
    below = np.clip(y - boat.y, 0, 1)
    ripple = 0.10 * np.sqrt(below) * fbm(x * 3, 60 * np.sqrt(below + 0.02), SEED + 30, 2)
    source = np.stack([(x + ripple) * HEIGHT, (2 * boat.y - y) * HEIGHT], axis=-1)
    broken = fbm(x * 6, 55 * np.sqrt(below + 0.02), SEED + 31, 2) > -0.28 + 0.5 * (below / boat.size - 0.6)
    visible = (y > boat.y) & (y < boat.y + boat.size * 1.06) & broken
    glow = np.clip((y - boat.y) / boat.size + 0.95, 0, 1)
    for points, tint in _boat_parts(boat):
        mask = lookup(polygon_mask(points * HEIGHT, WIDTH, HEIGHT), source) & visible
        colour[mask] = colour[mask] * 0.25 + (rgb(tint) * 0.86 + rgb("#3a4fb0") * 0.12) * 0.75
    for points, tint in _boat_parts(boat):
        mask = polygon_mask(points * HEIGHT, WIDTH, HEIGHT)
        colour[mask] = rgb(tint)
        if tint == boat.lit:
            sail = ramp(np.stack([rgb("#fff0b8"), rgb(boat.lit), 0.5 * (rgb(boat.lit) + rgb(boat.shade))]), glow[mask])
            colour[mask] = sail


def _design(x: Array, y: Array) -> Array:
    """Colour that the dabs should convey at every pixel."""
    land = _village(_hills(x, y, _sky(x, y)))
    colour = np.where((y < HORIZON)[..., None], land, _sea(x, y))
    mirrored = lookup(
        land, np.stack([(x + 0.012 * fbm(x * 8, y * 90, SEED + 40, 2)) * HEIGHT, (2 * HORIZON - y) * HEIGHT], axis=-1)
    )
    colour = mix(
        colour,
        mirrored * 0.92,
        0.75 * smoothstep(0.16, 0.05, y - HORIZON) * (y >= HORIZON) * smoothstep(0.22, 0.40, np.abs(x - 0.74)),
    )
    for boat in BOATS:
        _add_boat(colour, x, y, boat)
    return colour.astype(np.float32)


def _direction(x: Array, y: Array) -> Array:
    """Angle of the dabs: around the sun in the sky, level on the water."""
    around = np.arctan2(y - SUN[1], x - SUN[0]) + np.pi / 2
    level = 0.25 * fbm(x * 5, y * 18, SEED + 50, 2)
    return np.where(y < HORIZON, around, level).astype(np.float32)


def _divide(target: Array, rng: np.random.Generator, spread: float) -> Array:
    """Break each colour into a nearby pure pigment, and now and then into its complement."""
    count = len(target)
    luma = (target @ LUMA)[:, None]
    chroma = target - luma
    complement = rng.random((count, 1)) < 0.10
    wanted = luma + chroma * np.where(complement, -0.9, 1.25) + rng.normal(0, 0.035, (count, 1))
    noise = rng.normal(0, spread, (count, 3))
    noise -= (noise @ LUMA)[:, None]
    pigments = _pure_pigments()
    nearest = cKDTree(pigments).query(wanted + noise)[1]
    return (0.78 * pigments[nearest] + 0.22 * target).astype(np.float32)


def _dab_layer(
    canvas: Canvas, design: Array, angle: Array, brush: Brush, share: float, rng: np.random.Generator
) -> None:
    """Lay one layer of dabs, each as wide as the brush and not much longer."""
    centre = scatter(WIDTH, HEIGHT, brush.width * 0.72, rng)
    centre = centre[: int(len(centre) * share)]
    heading = lookup(angle, centre) + rng.normal(0, 0.22, len(centre))
    path = straight(centre, heading, brush.width * rng.uniform(1.25, 1.9, len(centre)))
    lay(canvas, path, _divide(lookup(design, centre), rng, 0.10), brush, rng)


def draw() -> Image.Image:
    """Draw the picture."""
    rng = np.random.default_rng(SEED)
    x, y = (axis / HEIGHT for axis in pixel_grid(WIDTH, HEIGHT))
    design, angle = _design(x, y), _direction(x, y)
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.paint[:, :3] = design.reshape(-1, 3) * 0.75
    for width, share in ((24, 1.0), (17, 1.0), (12, 0.75)):
        _dab_layer(canvas, design, angle, Brush(width, 0.05, 0.1, tip=0.35, body=0.8), share, rng)
    colour = relief(canvas.colour, canvas.thickness, 1.0, 0.2)
    return to_image(grade(colour, 1.03, 1.05))
