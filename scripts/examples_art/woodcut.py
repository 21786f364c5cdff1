"""Style picture: great waves under a red sun, printed from carved blocks in few inks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from .common import (
    SUPERSAMPLE,
    Array,
    fbm,
    mix,
    perlin,
    pixel_grid,
    polygon_mask,
    rgb,
    smooth_curve,
    smoothstep,
    to_image,
)

SEED = 1831
WIDTH, HEIGHT = 1024 * SUPERSAMPLE, 780 * SUPERSAMPLE
ASPECT = WIDTH / HEIGHT
SUN = (0.90, 0.315, 0.185)
PAPER, INK = rgb("#efe2c4"), rgb("#14182b")
PALE_BLUE, PRUSSIAN = rgb("#8fb3b5"), rgb("#1f4a7c")
VERMILION, OCHRE = rgb("#d5402a"), rgb("#dca24a")


class Blocks:
    """The ink that each block prints, 0..1 per pixel; `key` is the black of the outlines."""

    def __init__(self) -> None:
        shape = (HEIGHT, WIDTH)
        self.ochre, self.pale, self.blue, self.red, self.key = (np.zeros(shape, np.float32) for _ in range(5))

    def carve(self, mask: Array, **inks: Array | float) -> None:
        """Replace all inks inside `mask`; blocks that are not named are carved away to bare paper."""
        for name, block in vars(self).items():
            ink = inks.get(name, 0.0)
            block[mask] = ink[mask] if isinstance(ink, np.ndarray) else ink


@dataclass(frozen=True)
class Wave:
    """A breaking wave: the foot of its curl, its height, and the way it faces (1 right, -1 left)."""

    x: float
    y: float
    size: float
    facing: int
    stripes: int


WAVES = (
    Wave(1.155, 0.80, 0.36, -1, 13),
    Wave(0.30, 0.93, 0.80, 1, 21),
)
BACK = ((-2.2, 0.10), (-1.5, -0.06), (-1.0, -0.30), (-0.62, -0.62), (-0.28, -0.90), (0.08, -1.03), (0.40, -0.97))
CURL = ((0.40, -0.97), (0.60, -0.84), (0.67, -0.66), (0.62, -0.54))
FACE = (
    (0.62, -0.54),
    (0.53, -0.66),
    (0.36, -0.72),
    (0.20, -0.64),
    (0.12, -0.44),
    (0.20, -0.20),
    (0.44, -0.02),
    (1.0, 0.10),
    (1.8, 0.12),
)


def lines(across: Array, along: Array, width: Array | float, seed: int, wander: float = 0.35) -> Array:
    """Draw carved lines, one per unit of `across`; each swells and tapers by itself as it runs `along`.

    `width` is the share of the spacing that the line covers; below 0 there is none.
    """
    across = across + 0.12 * perlin(along * 0.9, across * 0.45, seed)
    number = np.floor(across)
    own = perlin(along + number * 3.71, number * 1.37 + 0.5, seed + 1)
    reach = width + wander * own
    distance = np.abs(across - number - 0.5) * 2
    slope_y, slope_x = np.gradient(across)
    blur = np.clip(2.2 * np.hypot(slope_x, slope_y), 0.02, 0.9)
    blur = np.where(np.hypot(slope_x, slope_y) > 0.4, 0.1, blur)
    return smoothstep(-blur, blur, reach - distance)


def distance_to(points: Array) -> Array:
    """Distance, in units of the picture's height, of every pixel from a polyline."""
    scale = 2
    image = Image.new("1", (WIDTH // scale, HEIGHT // scale), 1)
    ImageDraw.Draw(image).line([tuple(map(float, p)) for p in points * HEIGHT / scale], fill=0, width=1)
    inside = np.array(image, bool)
    if inside.all():
        raise ValueError("the line lies outside the picture")
    distance = ndimage.distance_transform_edt(inside).astype(np.float32) * scale / HEIGHT
    return ndimage.gaussian_filter(ndimage.zoom(distance, scale, order=1, grid_mode=True, mode="nearest"), 1.5)


def edge_lines(mask: Array, thickness: float, seed: int) -> Array:
    """Ink the outline of a shape with a cut line of uneven thickness, in pixels."""
    seam = np.zeros_like(mask)
    seam[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    seam[1:] |= mask[1:] != mask[:-1]
    ink = np.zeros(mask.shape, np.float32)
    rows, columns = np.flatnonzero(seam.any(axis=1)), np.flatnonzero(seam.any(axis=0))
    if rows.size:
        margin = int(thickness * 2) + 4
        part = np.s_[max(rows[0] - margin, 0) : rows[-1] + margin, max(columns[0] - margin, 0) : columns[-1] + margin]
        y, x = np.mgrid[part].astype(np.float32)
        y, x = y[: ink[part].shape[0], : ink[part].shape[1]], x[: ink[part].shape[0], : ink[part].shape[1]]
        distance = ndimage.distance_transform_edt(~seam[part]).astype(np.float32) * 2
        ink[part] = smoothstep(1.0, -1.0, distance - thickness * (1 + 0.6 * perlin(x / 60, y / 60, seed)))
    return ink


def disc_mask(discs: list[tuple[float, float, float]]) -> Array:
    """Fill discs (x, y, radius), given in units of the picture's height."""
    image = Image.new("1", (WIDTH, HEIGHT))
    brush = ImageDraw.Draw(image)
    for x, y, radius in discs:
        low, high = (x - radius, y - radius), (x + radius, y + radius)
        brush.ellipse([tuple(HEIGHT * c for c in low), tuple(HEIGHT * c for c in high)], fill=1)
    return np.array(image, bool)


def _sky(blocks: Blocks, x: Array, y: Array) -> None:
    """Print the sky: a wash that fades downwards, lines that part around the sun, and the sun itself."""
    radius = np.hypot(x - SUN[0], y - SUN[1])
    bulge = (y - SUN[1]) * (1 + 0.9 * np.exp(-((radius / 0.30) ** 2)))
    across = (bulge + 0.010 * np.sin(x * 9) + 0.030 * fbm(x * 1.6, y * 4, SEED, 3)) * 74
    darkness = 0.60 - 1.35 * y + 0.25 * fbm(x * 1.5, y * 5, SEED + 3, 2)
    key = lines(across, x * 5, darkness - 0.12 * smoothstep(0.36, 0.22, radius), SEED + 4, 0.55)
    wash = smoothstep(0.42, -0.02, y + 0.05 * fbm(x * 2, y * 2, SEED + 5, 2))
    blocks.carve(
        np.ones(x.shape, bool), ochre=0.75 * smoothstep(0.22, 0.62, y), pale=wash * 0.9, key=key, blue=0.65 * wash**2
    )
    sun = radius < SUN[2]
    gaps = lines(across * 0.5, x * 4, 0.15 + 1.5 * (y - SUN[1]) / SUN[2] - 1.0, SEED + 8, 0.5)
    blocks.carve(sun, red=1 - gaps, ochre=0.6)
    blocks.key = np.maximum(blocks.key, edge_lines(sun, 3, SEED + 9) * (y < SUN[1] + 0.10))


def _clouds(blocks: Blocks, x: Array, y: Array) -> None:
    """Print long banks of cloud with flat feet, each shaded by lines that follow its top."""
    for number, (cx, cy, long, tall) in enumerate(
        ((0.98, 0.43, 0.42, 0.050), (0.66, 0.165, 0.24, 0.036), (1.22, 0.19, 0.20, 0.034))
    ):
        u = (x - cx) / long
        puffs = np.abs(np.sin(u * 7.5 + number)) * 0.55 + np.abs(np.sin(u * 17 + 2 * number)) * 0.25
        top = cy - tall * np.sqrt(np.clip(1 - u * u, 0, 1)) * (0.5 + puffs)
        mask = (y > top) & (y < cy + 0.010 * np.sin(u * 6)) & (np.abs(u) < 1)
        depth = (y - top) / tall
        shade = lines((y - top) * 95, x * 8, depth * 0.7 - 0.25, SEED + 40 + number, 0.4)
        blocks.carve(mask, blue=shade * 0.8, pale=0.35 * smoothstep(0.3, 1.0, depth))
        blocks.key = np.maximum(blocks.key, edge_lines(mask, 2.6, SEED + 50 + number))


def _mountains(blocks: Blocks, x: Array, y: Array) -> None:
    """Print two ranges: dense lines down the slopes that lie in shadow, a few strokes on those in the light."""
    far = (0.60, ((0.60, 0.115), (0.80, 0.150), (1.09, 0.165), (1.33, 0.12)), 0.60)
    near = (0.66, ((0.52, 0.085), (0.70, 0.075), (0.96, 0.10), (1.26, 0.15)), 0.80)
    for number, (base, peaks, spread) in enumerate((far, near)):
        seed = SEED + 20 * number
        heights = np.stack([top - spread * np.abs(x - px) ** 1.15 for px, top in peaks])
        depth = y - base + heights.max(axis=0) + 0.020 * fbm(x * 9, y * 2, seed + 20, 4)
        side = x - np.array([px for px, _ in peaks], np.float32)[heights.argmax(axis=0)]
        spur = side + 0.055 * fbm(x * 7, y * 13, seed + 30, 3) + 0.18 * depth
        second, first = np.sort(heights, axis=0)[-2:]
        dark = (spur > 0) & (first - second + 0.05 * fbm(x * 16, y * 16, seed + 32, 2) > 0.018) & (depth > 0)
        hatch = lines(
            (x + 0.62 * depth) * 92 + 1.2 * perlin(x * 9, y * 9, seed + 33),
            depth * 15,
            0.86 - 2.6 * depth,
            seed + 34,
            0.4,
        )
        strokes = lines(
            (x - 0.75 * depth) * 80 + 1.2 * perlin(x * 8, y * 8, seed + 35),
            depth * 17,
            0.02 - 0.9 * depth,
            seed + 36,
            0.5,
        )
        mask = depth > 0
        blue = np.where(dark, 1.0, 0.10 + 0.30 * number + 0.5 * strokes * number)
        blocks.carve(
            mask, key=np.where(dark, hatch, strokes), pale=0.75 + 0.2 * number, blue=blue, ochre=0.25 * (1 - number)
        )
        for outline, weight in ((mask, 3.2), (dark, 1.5)):
            blocks.key = np.maximum(blocks.key, edge_lines(outline, weight, seed + 38) * mask)


def _swell(blocks: Blocks, x: Array, y: Array, level: float, number: int) -> None:
    """Print one band of choppy water whose lines run parallel to its crests."""
    phase = x * (8.5 - number) + number * 1.9 + 0.5 * np.sin(x * 3.1 + number)
    crest = level - 0.040 * (1 - np.abs(np.sin(phase))) ** 1.4 - 0.010 * np.sin(x * 23 + number)
    depth = y - crest
    mask = depth > 0
    smooth = level - 0.018 - 0.016 * np.cos(2 * phase)
    flow = y - smooth - (crest - smooth) * np.exp(-np.clip(depth, 0, 1) * 30)
    foam = depth < 0.010 + 0.010 * np.abs(np.sin(x * 90 + 5 * fbm(x * 8, y * 8, SEED + 60, 2)))
    tone = 0.85 - depth * 6 + 0.35 * np.cos(2 * phase)
    key = lines(flow * 78, x * 7, tone * 0.9 - 0.15, SEED + 61 + number, 0.5)
    blue = lines(flow * 39 + 0.2, x * 4, 0.80 - depth * 1.5, SEED + 71 + number, 0.4)
    blocks.carve(mask, key=key, blue=blue, pale=0.9)
    blocks.carve(mask & foam)
    blocks.key = np.maximum(blocks.key, edge_lines(mask, 2.4, SEED + 81) + edge_lines(mask & ~foam, 1.6, SEED + 82))


def _place(wave: Wave, points: tuple[tuple[float, float], ...]) -> Array:
    """Bring points of the wave's own frame to the picture."""
    return np.array([wave.x, wave.y]) + smooth_curve(points) * [wave.size * wave.facing, wave.size]


def _body(blocks: Blocks, x: Array, y: Array, wave: Wave, seed: int) -> None:
    """Print the body of a wave, with stripes that fan out from its tip to its foot."""
    back, curl, face = (_place(wave, part) for part in (BACK, CURL, FACE))
    foot = np.array([[face[-1, 0], 1.3], [back[0, 0], 1.3]])
    mask = polygon_mask(np.concatenate([back, curl, face, foot]) * HEIGHT, WIDTH, HEIGHT)
    from_back, from_face = distance_to(np.concatenate([back, curl[: len(curl) // 2]])), distance_to(face)
    share = from_back / (from_back + from_face + 1e-6)
    along = (from_back + from_face) * 7 / wave.size + y * 3
    across = share * wave.stripes + 0.25 * perlin(x * 5, y * 5, seed)
    hollow = smoothstep(0.45, 1.0, share)
    blue = lines(across, along * 0.6, 0.78 - 0.42 * hollow, seed, 0.25)
    key = lines(
        across * 3 + 0.3,
        along * 1.3,
        0.62 - 1.25 * share + 0.5 * smoothstep(0.25, 0.0, from_back / wave.size),
        seed + 2,
        0.5,
    )
    key = np.maximum(key, lines(across * 2 + 0.1, along * 1.2, 0.28 * hollow - 0.20, seed + 4, 0.45))
    blocks.carve(mask, blue=blue, pale=0.35 + 0.55 * (share < 0.72), key=key)
    blocks.key = np.maximum(blocks.key, edge_lines(mask, 4.2, seed + 6))


def _foam_discs(wave: Wave, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Place the round lumps of foam (x, y, radius) along the crest, with fingers that hang from the curl."""
    rim = np.concatenate([_place(wave, BACK)[-62:], _place(wave, CURL), _place(wave, FACE)[:30]])
    discs = []
    for index in range(0, len(rim), 2):
        t = index / len(rim)
        size = wave.size * (0.012 + 0.030 * np.sin(np.pi * min(t * 1.15, 1.0)) ** 0.7) * rng.uniform(0.75, 1.2)
        px, py = rim[index] + rng.normal(0, 0.25, 2) * size
        discs.append((px, py, size))
        if t > 0.35 and index % 4 == 0:
            heading = np.array([wave.facing * rng.uniform(-0.1, 0.9), 1.0]) * (1 if t > 0.6 else 0.6)
            for step in range(1, rng.integers(4, 8)):
                shrink = size * 0.72 * 0.83**step
                px, py = px + heading[0] * shrink * 1.3, py + heading[1] * shrink * 1.3
                heading = heading - np.array([wave.facing * 0.35, 0.05])
                discs.append((px, py, shrink))
    return discs


def _spray(wave: Wave, rng: np.random.Generator) -> Array:
    """Throw drops of spray ahead of the curl; most stay close to it."""
    tip = _place(wave, CURL)[len(_place(wave, CURL)) // 2]
    discs = []
    for _ in range(150):
        reach = wave.size * rng.gamma(2.0, 0.085)
        heading = rng.uniform(-1.5, 0.9)
        px, py = tip + np.array([wave.facing * np.cos(heading), np.sin(heading)]) * reach
        discs.append((px, py, wave.size * 0.0065 * rng.uniform(0.35, 1.0)))
    return disc_mask(discs)


def _foam(blocks: Blocks, wave: Wave, seed: int) -> None:
    """Print foam on the crest and loose spray around it."""
    rng = np.random.default_rng(seed)
    foam = disc_mask(_foam_discs(wave, rng))
    blocks.carve(_spray(wave, rng))
    inner = ndimage.distance_transform_edt(foam).astype(np.float32) / HEIGHT
    x, y = (axis / HEIGHT for axis in pixel_grid(WIDTH, HEIGHT))
    ripples = lines(inner / wave.size * 105, (x + y) * 20, 0.22 - inner / wave.size * 3, seed + 1, 0.45)
    blocks.carve(foam, pale=0.9 * ripples, blue=0.5 * ripples)
    blocks.key = np.maximum(blocks.key, edge_lines(foam, 3.0, seed + 2))


def _birds(blocks: Blocks) -> None:
    """Print a flight of cranes across the sun."""
    wing = [(0, 0), (-0.35, -0.42), (-0.95, -0.50), (-0.60, -0.22), (-0.28, 0.06), (0, 0.12)]
    other = [(0, 0), (0.22, -0.50), (0.62, -0.80), (0.48, -0.36), (0.26, 0.02), (0, 0.12)]
    body = [(-0.55, 0.20), (-0.10, -0.02), (0.30, 0.02), (0.78, -0.10), (0.80, -0.06), (0.32, 0.12), (-0.05, 0.16)]
    flock = (
        (1.055, 0.385, 0.062, 0.1),
        (0.93, 0.31, 0.085, -0.05),
        (0.99, 0.19, 0.060, 0.05),
        (1.10, 0.26, 0.050, 0.0),
        (1.16, 0.12, 0.045, -0.1),
    )
    for number, (px, py, size, tilt) in enumerate(flock):
        turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
        for part, dark in ((other, 0.35), (wing, 0.0), (body, 0.0)):
            points = np.array([px, py]) + smooth_curve(part, 8, closed=True) @ turn * size
            mask = polygon_mask(points * HEIGHT, WIDTH, HEIGHT)
            blocks.carve(mask, pale=dark)
            blocks.key = np.maximum(blocks.key, edge_lines(mask, 2.2, SEED + 90 + number))
        tips = np.array([px, py]) + np.array([(-0.95, -0.50), (-0.62, -0.47), (-0.55, -0.24)]) @ turn * size
        blocks.carve(polygon_mask(tips * HEIGHT, WIDTH, HEIGHT), key=1.0)


def _print(blocks: Blocks, x: Array, y: Array) -> Array:
    """Pull the print: press each block in turn, a little out of register, with wood grain and thin ink."""
    fibre = fbm(x * 90, y * 40, SEED + 100, 3)
    colour = PAPER * (1 + 0.05 * fibre + 0.04 * fbm(x * 4, y * 4, SEED + 101, 3))[..., None]
    grain = fbm(x * 2.2 + 0.4 * fbm(x * 2, y * 3, SEED + 102, 2), y * 75, SEED + 103, 4)
    presses = (
        (blocks.ochre, OCHRE, (0, 0), 0.30),
        (blocks.pale, PALE_BLUE, (2, -1), 0.30),
        (blocks.blue, PRUSSIAN, (-2, 1), 0.26),
        (blocks.red, VERMILION, (1, 2), 0.22),
        (blocks.key, INK, (0, 0), 0.08),
    )
    for number, (block, ink, offset, uneven) in enumerate(presses):
        speckle = smoothstep(0.42, 0.62, fbm(x * 150, y * 150, SEED + 110 + number, 2)) * 0.5
        load = 1 - uneven * np.clip(0.55 + 1.5 * grain, 0, 1) - speckle * (0.35 + uneven)
        pressed = np.clip(ndimage.shift(np.clip(block, 0, 1), offset, order=0, mode="nearest") * load, 0, 1)
        colour = mix(colour, colour * ink * 0.25 + ink * 0.75, pressed)
    return colour


def draw() -> Image.Image:
    """Draw the picture."""
    x, y = (axis / HEIGHT for axis in pixel_grid(WIDTH, HEIGHT))
    blocks = Blocks()
    _sky(blocks, x, y)
    _clouds(blocks, x, y)
    _mountains(blocks, x, y)
    for number, level in enumerate((0.68, 0.735)):
        _swell(blocks, x, y, level, number)
    _body(blocks, x, y, WAVES[0], SEED + 200)
    _foam(blocks, WAVES[0], SEED + 210)
    _swell(blocks, x, y, 0.815, 2)
    _body(blocks, x, y, WAVES[1], SEED + 220)
    _foam(blocks, WAVES[1], SEED + 230)
    _swell(blocks, x, y, 0.925, 3)
    _birds(blocks)
    return to_image(_print(blocks, x, y))
