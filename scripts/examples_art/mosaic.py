"""Style picture: a peacock in stained glass, with dark lead between pieces of streaked, coloured glass."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.spatial import cKDTree

from .common import (
    SUPERSAMPLE,
    Array,
    fbm,
    grade,
    mix,
    palette,
    perlin,
    pixel_grid,
    polygon_mask,
    ramp,
    relief,
    rgb,
    smooth_curve,
    smoothstep,
    to_image,
)

SEED = 1902
WIDTH, HEIGHT = 880 * SUPERSAMPLE, 1024 * SUPERSAMPLE
ASPECT = WIDTH / HEIGHT
HUB = (0.43, 0.80)
BORDER = 0.036
ROWS = ((0.655, 15, 0.098), (0.515, 13, 0.090), (0.390, 11, 0.080), (0.280, 9, 0.070), (0.180, 7, 0.058))

DAWN = palette("#ffe27a", "#ffb52e", "#f5822a", "#dc4a2e", "#b02a4a", "#6f2470")
BARB = palette("#0d5c3a", "#1f8a4a", "#5fae3a", "#a8c63a", "#0f7a6a", "#138f8f")
GOLD = palette("#f2b62c", "#d98a1e", "#e9c84a", "#c7702a")
TURQUOISE = palette("#17b6c4", "#39cfc0", "#0f9ac0")
HEART = palette("#1b2a9c", "#2a1f8a", "#10347e")
BREAST = palette("#3fd0d0", "#1f9fdc", "#1f62d2", "#2440b4", "#1f2a8c")
LEAF = palette("#0f5a2e", "#2f8a34", "#7ab03a", "#1d7050")
BLOSSOM = palette("#e0245e", "#f0567a", "#c2185b", "#ff8f8f", "#8e1f6a")
FRAME = palette("#7a1f3a", "#a8324a", "#1f3f8a", "#c98a2a")


class Window:
    """The pieces of glass: a label map, the colour of each label, and groups that heavier lead parts."""

    def __init__(self) -> None:
        self.label = np.zeros((HEIGHT, WIDTH), np.int32)
        self.group = np.zeros((HEIGHT, WIDTH), np.int32)
        self.colours: list[Array] = [np.zeros(3, np.float32)]

    def add(self, mask: Array, pieces: Array, colours: Array) -> None:
        """Cut the pixels of `mask` into pieces; `pieces` indexes `colours`, both for these pixels alone."""
        self.label[mask] = pieces + len(self.colours)
        self.group[mask] = self.group.max() + 1
        self.colours.extend(colours)


def choose(colours: Array, count: int, rng: np.random.Generator) -> Array:
    """Draw colours at random, mixed a little with each other."""
    first, second = colours[rng.integers(0, len(colours), (2, count))]
    return mix(first, second, rng.uniform(0, 0.4, count).astype(np.float32))


def cells(points: Array, count: int, rng: np.random.Generator, rounds: int = 12) -> tuple[Array, Array]:
    """Part points into relaxed Voronoi cells; return the cell of each point, and the cells' centres."""
    sample = points[rng.integers(0, len(points), min(len(points), 60 * count))]
    centres = sample[rng.permutation(len(sample))[:count]]
    for _ in range(rounds):
        owner = cKDTree(centres).query(sample)[1]
        weight = np.maximum(np.bincount(owner, minlength=count), 1)
        sums = np.stack([np.bincount(owner, sample[:, i], count) for i in range(2)], axis=1)
        centres = np.where((np.bincount(owner, minlength=count) > 0)[:, None], sums / weight[:, None], centres)
    return cKDTree(centres).query(points)[1], centres


def _add_rays(window: Window, x: Array, y: Array, rng: np.random.Generator) -> None:
    """Fill the background with long cells that radiate from the peacock."""
    radius, angle = np.hypot(x - HUB[0], y - HUB[1]), np.arctan2(y - HUB[1], x - HUB[0])
    points = np.stack([radius * 1.0, angle * 1.55], axis=-1).reshape(-1, 2)
    owner, centres = cells(points, 420, rng)
    warm = np.clip((centres[:, 0] - 0.55) / 0.55 + rng.normal(0, 0.13, len(centres)), 0, 1)
    window.add(np.ones(x.shape, bool), owner, ramp(DAWN, warm))


def _feather_parts(along: Array, across: Array, size: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Cut one feather, in its own coordinates, into pieces; return the piece of each point and the colours."""
    distance = np.hypot(along / 1.08, across) / size
    turn = (np.arctan2(across, along) / (2 * np.pi) + 0.5) % 1
    jitter = rng.uniform(-0.25, 0.25, 14)
    fringe = np.searchsorted((np.arange(1, 14) + jitter[1:]) / 14, turn)
    collar = np.minimum((turn * 6 + 0.5).astype(int) % 6, 5)
    piece = np.where(distance < 0.70, 14 + collar, fringe)
    piece = np.where(distance < 0.46, 20 + (across > 0), piece)
    heart = np.hypot((along + 0.05 * size) / 1.1, across) / size + 0.10 * np.exp(-((across / (0.1 * size)) ** 2)) * (
        along < 0
    )
    piece = np.where(heart < 0.26, 22, piece)
    shaft = (along < 0) & (distance >= 1)
    barbs = 23 + 2 * np.clip((-along / size - np.abs(across) / size * 0.7 + 0.2) * 2.2, 0, 9).astype(int) + (across > 0)
    piece = np.where(shaft, barbs, piece)
    colours = [choose(BARB, 14, rng), choose(GOLD, 6, rng), choose(TURQUOISE, 2, rng), choose(HEART, 1, rng)]
    return piece, np.concatenate([*colours, choose(BARB, 20, rng)])


def _add_fan(window: Window, x: Array, y: Array, rng: np.random.Generator) -> None:
    """Lay the feathers of the tail, the outermost row first."""
    for row, (radius, count, size) in enumerate(ROWS):
        spread = np.linspace(-1.92, 1.92, count) if row % 2 == 0 else np.linspace(-1.80, 1.80, count)
        for angle in spread[np.argsort(-np.abs(spread), kind="stable")]:
            out = np.array([np.sin(angle), -np.cos(angle)])
            dx, dy = x - HUB[0] - out[0] * radius, y - HUB[1] - out[1] * radius
            along, across = dx * out[0] + dy * out[1], -dx * out[1] + dy * out[0]
            fan = (along < 0) & (along > -radius) & (np.abs(across) < size * (1 + 0.9 * along / radius))
            mask = (np.hypot(along / 1.08, across) < size) | fan
            window.add(mask, *_feather_parts(along[mask], across[mask], size, rng))


def _add_breast(window: Window, x: Array, y: Array, rng: np.random.Generator) -> None:
    """Set the body and neck, covered in scales that grow larger and greener downwards."""
    right = [(0.470, 0.470), (0.476, 0.52), (0.474, 0.58), (0.488, 0.65), (0.528, 0.73), (0.552, 0.82), (0.535, 0.92)]
    left = [(0.43, 0.985), (0.325, 0.92), (0.305, 0.82), (0.332, 0.73), (0.384, 0.65), (0.412, 0.58), (0.418, 0.52)]
    mask = polygon_mask(smooth_curve([*right, *left, (0.400, 0.485)], closed=True) * HEIGHT, WIDTH, HEIGHT)
    pitch = 0.030
    lines = []
    for row, level in enumerate(np.arange(0.45, 1.01, pitch * 0.82)):
        columns = np.arange(0.25, 0.62, pitch) + (row % 2) * pitch / 2
        lines.append(np.stack([columns, np.full(columns.size, level)], axis=1))
    centres = np.concatenate(lines)
    px, py = x[mask], y[mask]
    owner, best = np.zeros(px.size, int), np.full(px.size, -1.0)
    for index, (cx, cy) in enumerate(centres):
        inside = (np.hypot(px - cx, (py - cy) * 0.92) < pitch * 0.62) & (best < 0)
        owner[inside], best[inside] = index, 1
    tone = np.clip((centres[:, 1] - 0.45) / 0.5 * 0.55 + np.abs(centres[:, 0] - 0.43) * 3.2, 0, 1)
    tone = np.clip(tone + rng.normal(0, 0.10, len(tone)), 0, 1)
    window.add(mask, owner, ramp(BREAST, tone))


def _add_shapes(window: Window, shapes: list[tuple[list[tuple[float, float]], str]]) -> None:
    """Set single pieces of glass with smooth outlines."""
    for outline, tint in shapes:
        mask = polygon_mask(smooth_curve(outline, closed=True) * HEIGHT, WIDTH, HEIGHT)
        window.add(mask, np.zeros(np.count_nonzero(mask), int), rgb(tint)[None])


def _add_head(window: Window) -> None:
    """Set the head with its beak, eye and crown."""
    crown = []
    for turn in (-0.72, -0.42, -0.12, 0.18, 0.48):
        out, side = np.array([np.sin(turn), -np.cos(turn)]), np.array([np.cos(turn), np.sin(turn)])
        root, tip = np.array([0.437, 0.425]) + 0.012 * side, np.array([0.437, 0.425]) + out * 0.105
        stem = [root - side * 0.003, tip - side * 0.002, tip + side * 0.002, root + side * 0.003]
        drop = [tip + out * 0.020, tip + side * 0.013, tip - out * 0.022, tip - side * 0.013]
        crown += [([tuple(p) for p in stem], "#e9c84a"), ([tuple(p) for p in drop], "#2fd0c8")]
    head = [
        (0.395, 0.440),
        (0.418, 0.415),
        (0.450, 0.412),
        (0.474, 0.435),
        (0.474, 0.475),
        (0.440, 0.500),
        (0.405, 0.482),
    ]
    beak = [(0.398, 0.445), (0.362, 0.466), (0.345, 0.484), (0.375, 0.480), (0.404, 0.474)]
    patches = [
        ([(0.400, 0.452), (0.420, 0.437), (0.450, 0.448), (0.426, 0.468)], "#fff4dc"),
        ([(0.411, 0.452), (0.421, 0.442), (0.431, 0.452), (0.421, 0.462)], "#140a1e"),
    ]
    _add_shapes(window, [*crown, (beak, "#f0b030"), (head, "#2348c8"), *patches])


def _add_leaf(
    window: Window, x: Array, y: Array, root: Array, angle: float, length: float, rng: np.random.Generator
) -> None:
    """Set a leaf of two halves, each cut along its veins."""
    dx, dy = x - root[0], y - root[1]
    along, across = dx * np.cos(angle) + dy * np.sin(angle), -dx * np.sin(angle) + dy * np.cos(angle)
    across = across + 0.12 * along * (1 - along / length)
    t = np.clip(along / length, 0, 1)
    mask = (along > 0) & (along < length) & (np.abs(across) < length * 0.30 * np.sin(np.pi * t**0.8))
    vein = np.clip((t[mask] - np.abs(across[mask]) / length * 0.8) * 4 + 0.4, 0, 3.99).astype(int)
    window.add(mask, vein * 2 + (across[mask] > 0), choose(LEAF, 8, rng))


def _add_rosette(window: Window, x: Array, y: Array, centre: Array, size: float, rng: np.random.Generator) -> None:
    """Set a flower of two rings of petals round a golden heart."""
    radius, angle = np.hypot(x - centre[0], y - centre[1]), np.arctan2(y - centre[1], x - centre[0]) + rng.uniform(0, 6)
    for petals, reach, colours in ((7, 1.0, BLOSSOM), (6, 0.62, BLOSSOM[1:4]), (1, 0.24, GOLD)):
        turn = (angle / (2 * np.pi) * petals + 0.5 * (reach < 1)) % petals
        lobe = np.abs(np.sin(np.pi * turn)) ** 0.5 if petals > 1 else 1
        mask = radius < size * reach * (0.72 + 0.28 * lobe)
        window.add(mask, np.minimum(turn[mask].astype(int), petals - 1), choose(colours, petals, rng))


def _add_garden(window: Window, x: Array, y: Array, rng: np.random.Generator) -> None:
    """Fill the foot of the window with leaves and rosettes."""
    for root in np.linspace(-0.02, ASPECT + 0.02, 26)[rng.permutation(26)]:
        start = np.array([root, 1.0 + rng.uniform(-0.03, 0.02)])
        _add_leaf(window, x, y, start, -np.pi / 2 + rng.normal(0, 0.55), rng.uniform(0.11, 0.20), rng)
    spots = (
        (0.10, 0.895, 0.066),
        (0.775, 0.90, 0.068),
        (0.245, 0.945, 0.056),
        (0.62, 0.945, 0.058),
        (0.43, 0.955, 0.060),
    )
    small = ((0.175, 0.845, 0.036), (0.70, 0.842, 0.037), (0.335, 0.912, 0.036), (0.525, 0.910, 0.036))
    for cx, cy, size in (*small, *spots):
        _add_rosette(window, x, y, np.array([cx, cy]), size, rng)


def _add_border(window: Window, x: Array, y: Array, rng: np.random.Generator) -> None:
    """Frame the window with a band of small panes."""
    edge = np.minimum(np.minimum(x, ASPECT - x), np.minimum(y, 1 - y))
    mask = edge < BORDER
    upright = np.minimum(x, ASPECT - x) < np.minimum(y, 1 - y)
    run = np.where(upright, y / 1.0 * 19, x / ASPECT * 16)
    side = np.where(upright, np.where(x < 0.4, 0, 1), np.where(y < 0.5, 2, 3))
    narrow = (run % 1) < 0.26
    piece = (side * 20 + np.clip(run, 0, 19).astype(int)) * 2 + narrow
    colours = choose(FRAME[:3], 160, rng)
    colours[1::2] = choose(GOLD, 80, rng)
    window.add(mask, piece[mask], colours)


def _lead(window: Window, x: Array, y: Array) -> tuple[Array, Array]:
    """Return how much lead covers each pixel, and the distance to the nearest seam."""
    distances = []
    for labels in (window.label, window.group):
        seam = np.zeros(labels.shape, bool)
        seam[:, 1:] |= labels[:, 1:] != labels[:, :-1]
        seam[1:] |= labels[1:] != labels[:-1]
        distances.append(ndimage.distance_transform_edt(~seam).astype(np.float32))
    fine, heavy = distances
    swelling = 1 + 0.45 * perlin(x * 26, y * 26, SEED + 1) + 0.2 * perlin(x * 70, y * 70, SEED + 2)
    distance = np.minimum(fine / 3.3, heavy / 5.0) / swelling
    return smoothstep(1.25, 0.8, ndimage.gaussian_filter(distance, 0.8)), fine


def _glass(window: Window, x: Array, y: Array, seam: Array, rng: np.random.Generator) -> Array:
    """Colour the panes: streaks along each pane's own direction, wisps, dark rims and light from behind."""
    count = len(window.colours)
    turn = rng.uniform(0, np.pi, count).astype(np.float32)[window.label]
    shift = rng.uniform(0, 200, count).astype(np.float32)[window.label]
    u = x * np.cos(turn) + y * np.sin(turn) + shift
    v = -x * np.sin(turn) + y * np.cos(turn) + shift * 0.7
    wisp = fbm(u * 9 + 0.6 * perlin(u * 14, v * 14, SEED + 5), v * 30, SEED + 6, 4)
    streak = fbm(u * 16, v * 110, SEED + 12, 2)
    tone = rng.normal(1.0, 0.13, count).astype(np.float32)[window.label]
    colour = np.stack(window.colours)[window.label]
    colour = colour * (tone + 0.42 * wisp + 0.20 * streak)[..., None]
    pale = smoothstep(0.18, 0.62, wisp)
    colour = mix(colour, colour * 0.45 + rgb("#fff6dc") * 0.55, 0.7 * pale)
    rim = np.exp(-seam / 9)
    colour = colour * (1 - 0.42 * rim)[..., None]
    sunlight = 1.16 - 0.42 * np.hypot((x - 0.43) * 1.05, (y - 0.46) * 0.8) + 0.10 * fbm(x * 3, y * 3, SEED + 20, 2)
    return colour * sunlight[..., None]


def _assemble(window: Window, rng: np.random.Generator) -> Array:
    """Join glass and lead, light their surface, and let bright glass glow over the lead."""
    x, y = (axis / HEIGHT for axis in pixel_grid(WIDTH, HEIGHT))
    lead, seam = _lead(window, x, y)
    glass = _glass(window, x, y, seam, rng)
    hammered = fbm(x * 75, y * 75, SEED + 30, 2) * 2.2
    glass = relief(glass, hammered, 0.9, 0.22)
    pitted = rgb("#14120f") * (1 + 0.8 * fbm(x * 120, y * 120, SEED + 31, 2))[..., None]
    metal = relief(pitted, 7 * np.sqrt(np.clip(lead, 0, 1)) * np.exp(-seam / 7), 0.55, 0.30, 1.6)
    colour = mix(glass, np.clip(metal, 0, 1), lead)
    glow = ndimage.gaussian_filter(np.clip(colour, 0, 1) ** 2, (14, 14, 0))
    return 1 - (1 - np.clip(colour, 0, 1)) * (1 - 0.22 * glow)


def draw() -> Image.Image:
    """Draw the picture."""
    rng = np.random.default_rng(SEED)
    x, y = (axis / HEIGHT for axis in pixel_grid(WIDTH, HEIGHT))
    window = Window()
    _add_rays(window, x, y, rng)
    _add_fan(window, x, y, rng)
    _add_breast(window, x, y, rng)
    _add_head(window)
    _add_garden(window, x, y, rng)
    _add_border(window, x, y, rng)
    return to_image(grade(_assemble(window, rng), 1.08, 1.12))
