"""The world of the lakeside picture: mountains, banks, trees, cabin and jetty, before any camera looks at them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from .cabin import Light, Panel, cabin_panels, jetty_panels
from .common import Array, fbm, perlin, pixel_grid, smoothstep
from .conifer import Sprite, grow
from .terrain import Heightfield, erode, sunlit

SEED = 2024
SUN = np.array([-0.86, 0.36, -0.32]) / np.linalg.norm([-0.86, 0.36, -0.32])
LIGHT = Light(SUN, np.array([3.5, 2.0, 0.92]), np.array([0.24, 0.33, 0.54]))


@dataclass(frozen=True)
class Land:
    """A heightfield with all that its shading looks up."""

    field: Heightfield
    normal: tuple[Array, Array, Array]
    sun: Array
    open_sky: Array
    rock: Array


@dataclass(frozen=True)
class Tree:
    """A standing tree: its foot in metres, its height, and which sprite shows it."""

    foot: Array
    height: float
    kind: int
    sun: float


@dataclass(frozen=True)
class World:
    """All that both the camera and its mirror image look at."""

    far: Land
    near: Land
    sprites: list[Sprite]
    far_trees: list[Tree]
    near_trees: list[Tree]
    panels: list[Panel]


def _land(field: Heightfield, rock: Array, softness: float, reach: float) -> Land:
    """Work out the light on a heightfield; `reach` is the size, in cells, of hollows that look dark."""
    hollow = (ndimage.gaussian_filter(field.height, reach) - field.height) / (reach * field.cell)
    open_sky = np.clip(1 - 1.6 * np.clip(hollow, -0.1, 0.5), 0.2, 1.1).astype(np.float32)
    return Land(field, field.normals(), sunlit(field, SUN, softness), open_sky, rock)


def _crags(x: Array, z: Array) -> Array:
    """Ridged noise: sharp edges at every scale, roughest where the ground already rises."""
    total, weight = np.zeros_like(x), np.ones_like(x)
    for octave in range(5):
        ridge = (1 - np.abs(perlin(x * 2.1**octave, z * 2.1**octave, SEED + 5 + octave))) ** 2
        total += ridge * weight * 0.52**octave
        weight = np.clip(ridge * 1.5, 0, 1)
    return total


def far_land(rng: np.random.Generator) -> Land:
    """Build the mountains beyond the lake: uplift cut by rivers, then finer rock relief."""
    size, fine = 320, 2048
    x, z = pixel_grid(size, size)
    x, z = x / size * 16 - 8, z / size * 16 + 0.5
    lake = ((x - 0.05) / (1.15 + 0.2 * fbm(x, z, SEED, 3))) ** 2 + (
        (z - 1.1) / (1.75 + 0.3 * fbm(x, z, SEED + 1, 3))
    ) ** 2 < 1
    base = lake | (np.abs(x) > 7.9) | (z > 16.4)
    uplift = 0.55 + 0.5 * fbm(x * 0.45, z * 0.45, SEED + 2, 3)
    for px, pz, strength, spread in (
        (0.45, 6.3, 1.9, 1.6),
        (-0.5, 7.0, 1.5, 1.2),
        (-2.4, 6.6, 1.9, 1.0),
        (2.9, 7.0, 2.1, 1.2),
        (-1.9, 3.6, 0.5, 0.9),
        (2.3, 3.3, 0.6, 0.8),
    ):
        uplift += strength * np.exp(-((x - px) ** 2 + (z - pz) ** 2) / spread)
    start = ndimage.distance_transform_edt(~base) * 0.01 + rng.random((size, size)) * 0.05
    start[base] = 0
    raw = erode(start, np.clip(uplift, 0.08, 9), base, 60, 0.42)
    raw = ndimage.gaussian_filter(raw, 0.7)
    raw = ndimage.zoom(raw / raw.max(), fine / size, order=3, grid_mode=True, mode="nearest").astype(np.float32)
    height = 2050 * raw
    x, z = pixel_grid(fine, fine)
    height += (_crags(x / 21, z / 21) - 0.9) * np.clip(height * 0.05, 0, 48)
    shore = ndimage.zoom(lake.astype(np.float32), fine / size, order=1, grid_mode=True, mode="nearest")
    inland = ndimage.distance_transform_edt(shore < 0.5).astype(np.float32)
    height = np.maximum(height, 1.0) * smoothstep(0, 22, inland) + 0.3 * inland
    height = np.where(shore > 0.5, -5, height).astype(np.float32)
    return _land(Heightfield(height, -8000, 500, 16000 / fine), np.zeros_like(height), 25, 14)


def _boulders(height: Array, field: Heightfield, rng: np.random.Generator) -> Array:
    """Strew boulders along the shore; change `height` in place and return where they lie."""
    rock = np.zeros_like(height)
    shore_rows, shore_columns = np.nonzero((height > -0.35) & (height < 0.55))
    for pick in rng.integers(0, len(shore_rows), 900):
        row, column = shore_rows[pick], shore_columns[pick]
        radius = 0.16 + 0.75 * rng.random() ** 4
        reach = int(radius * 1.4 / field.cell) + 1
        rows = slice(max(row - reach, 0), row + reach + 1)
        columns = slice(max(column - reach, 0), column + reach + 1)
        y, x = np.mgrid[rows, columns][:, : height[rows, columns].shape[0], : height[rows, columns].shape[1]].astype(
            np.float32
        )
        dx, dy = (x - column) * field.cell / radius, (y - row) * field.cell / radius
        lump = 1 + 0.3 * perlin(dx * 1.3 + pick, dy * 1.3, SEED)
        cap = (
            height[row, column]
            - 0.1
            + radius * rng.uniform(0.5, 0.8) * np.sqrt(np.clip(lump - dx * dx * 0.8 - dy * dy, 0, 1)) * 1.25
        )
        above = (cap > height[rows, columns]) & (dx * dx * 0.8 + dy * dy < lump)
        height[rows, columns][above] = cap[above]
        rock[rows, columns][above] = 1
    return rock


def near_land(rng: np.random.Generator) -> Land:
    """Build the banks close by: a wooded shore on the left and a spit with the cabin on the right."""
    size, cell = 2048, 0.085
    x, z = pixel_grid(size, size)
    x, z = x * cell - 87, z * cell + 5
    bend = 2.2 * fbm(x * 0.09, z * 0.09, SEED + 30, 4)
    left = -(x + 6.0 + 0.155 * z + 9 * smoothstep(90, 150, z)) + bend
    spit = 13.5 * (1 - np.sqrt(((x - 31) / 27) ** 2 + ((z - 64) / 13) ** 2)) + 1.1 * bend
    inside = np.maximum(left, spit)
    rise = np.where(inside > 0, 2.1 * np.tanh(inside * 0.17), inside * 0.3)
    height = rise + smoothstep(-1, 3, inside) * (
        0.30 * fbm(x * 0.35, z * 0.35, SEED + 34, 4) + 0.05 * fbm(x * 3, z * 3, SEED + 38, 2)
    )
    field = Heightfield(height.astype(np.float32), -87, 5, cell)
    rock = _boulders(field.height, field, rng)
    facets = np.abs(perlin(x * 1.7, z * 1.7, SEED + 44)) + 0.5 * np.abs(perlin(x * 4.1, z * 4.1, SEED + 45))
    field.height[:] += rock * (
        0.05 * fbm(x * 6, z * 6, SEED + 41, 3) - 0.26 * facets * smoothstep(0, 0.4, height + 0.2)
    )
    return _land(field, rock, 0.12, 9)


def _far_trees(land: Land, rng: np.random.Generator) -> list[Tree]:
    """Plant the forest on the lower slopes across the water, the farthest trees first."""
    count = 60_000
    z = 600 + 3800 * np.sqrt(rng.random(count))
    x = z * rng.uniform(-0.56, 0.56, count)
    height = land.field.at(land.field.height, x, z)
    steep = land.field.at(land.normal[1], x, z)
    sun = land.field.at(land.sun, x, z)
    wood = fbm((x / 420).astype(np.float32), (z / 420).astype(np.float32), SEED + 50, 4)
    grows = (height > 1.5) & (height < 520 + 380 * wood) & (steep > 0.58) & (wood > -0.30 + height / 1500)
    order = np.flatnonzero(grows)[np.argsort(-z[grows], kind="stable")]
    tall = rng.uniform(13, 27, count)
    return [Tree(np.array([x[i], height[i] - 1, z[i]]), tall[i], i % 5, float(sun[i])) for i in order]


def _near_trees(land: Land, rng: np.random.Generator) -> list[Tree]:
    """Plant single spruces on the near banks, the farthest first."""
    spots = [(-10.6, 23.0, 15.5, 5), (-14.8, 27.5, 19.0, 6), (-13.0, 33.0, 12.5, 5), (-19.0, 36.0, 21.0, 6)]
    for _ in range(46):
        z = rng.uniform(42, 150)
        spots.append(
            (-9.0 - 0.155 * z - 9 * (z > 118) - rng.gamma(1.5, 6), z, rng.uniform(9, 21), int(rng.integers(0, 5)))
        )
    for _ in range(26):
        spots.append((rng.uniform(21, 52), rng.uniform(69, 76), rng.uniform(8, 19), int(rng.integers(0, 5))))
    spots += [
        (34.0, 60, 14, 2),
        (37.5, 62, 17.5, 3),
        (31.5, 57.5, 4.5, 1),
        (9.8, 66, 6.5, 1),
        (7.2, 65.5, 4.2, 0),
        (12.2, 70, 9.5, 4),
    ]
    trees = []
    for x, z, tall, kind in sorted(spots, key=lambda spot: -spot[1]):
        ground = float(land.field.at(land.field.height, np.array([x]), np.array([z]))[0])
        if ground > 0.15:
            trees.append(Tree(np.array([x, ground - 0.1, z]), tall, kind, 1.0))
    return trees


def _cast_shadows(land: Land, trees: list[Tree]) -> None:
    """Darken the ground that lies in the long shadows of trees and of the cabin, in place."""
    away = -np.array([SUN[0], SUN[2]]) / np.hypot(SUN[0], SUN[2])
    aside = np.array([-away[1], away[0]])
    stretch = np.hypot(SUN[0], SUN[2]) / SUN[1]
    image = Image.new("L", land.sun.shape[::-1], 255)
    brush = ImageDraw.Draw(image)
    casters = [(tree.foot[[0, 2]], tree.height, 0.15 * tree.height, 0.0) for tree in trees]
    casters.append((np.array([16.0, 64.5]), 4.6, 4.0, 3.0))
    for foot, tall, base, top in casters:
        tip = foot + away * tall * stretch
        corners = np.stack([foot - aside * base, tip - aside * top, tip + aside * top, foot + aside * base])
        place = (corners - [land.field.left, land.field.near]) / land.field.cell
        brush.polygon([tuple(map(float, corner)) for corner in place], fill=0)
    shade = ndimage.gaussian_filter(np.asarray(image, np.float32) / 255, 5)
    x, z = pixel_grid(*shade.shape[::-1])
    land.sun[:] *= smoothstep(0.15, 0.75, shade + 0.35 * fbm(x / 12, z / 12, SEED + 170, 3))


def build_world() -> World:
    """Make everything that stands in the picture."""
    far, near = far_land(np.random.default_rng(SEED)), near_land(np.random.default_rng(SEED + 1))
    sprites = [grow(640, SUN, SEED + i) for i in range(5)] + [grow(1500, SUN, SEED + 5 + i) for i in range(2)]
    ground = float(near.field.at(near.field.height, np.array([17.0]), np.array([61.0]))[0])
    panels = cabin_panels(LIGHT, np.array([15.5, ground - 0.15, 60.0]), 0.55)
    panels += jetty_panels(LIGHT, np.array([13.2, 0.62, 57.8]), np.array([-0.9, 0, -0.62]), 11)
    near_trees = _near_trees(near, np.random.default_rng(SEED + 2))
    _cast_shadows(near, near_trees)
    return World(far, near, sprites, _far_trees(far, np.random.default_rng(SEED + 3)), near_trees, panels)
