"""Content picture: a mountain lake at golden hour, ray-marched to look like a photograph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image
from scipy import ndimage

from .boat import draw_boat
from .cabin import draw_panel
from .common import SUPERSAMPLE, Array, fbm, mix, perlin, pixel_grid, smoothstep, to_image
from .conifer import Sprite
from .lake_world import LIGHT, SEED, SUN, Land, Tree, World, build_world
from .strokes import Brush, Canvas, lay
from .terrain import Camera, march

WIDTH, HEIGHT = 1280 * SUPERSAMPLE, 854 * SUPERSAMPLE
CAMERA = Camera(WIDTH, HEIGHT, 0.98 * WIDTH, 0.575 * HEIGHT, 3.2)
HAZE = np.array([0.60, 0.60, 0.70], np.float32)


def sky(camera: Camera) -> Array:
    """Linear light of the sky with a deck of broken cloud, lit from the left."""
    side = np.broadcast_to(camera.slopes()[None], (camera.height, camera.width))
    rise = np.broadcast_to(np.maximum(camera.elevations(), 0.004)[:, None], side.shape)
    t = np.clip(rise / 0.62, 0, 1)[..., None]
    zenith, middle, low = np.array([0.10, 0.21, 0.47]), np.array([0.27, 0.42, 0.68]), np.array([0.98, 0.72, 0.55])
    colour = middle + (zenith - middle) * smoothstep(0.15, 1.0, t)
    colour = colour + (low - colour) * np.exp(-t * 5.5) * (0.95 - 0.5 * side[..., None])
    u, v = side / (rise + 0.10) * 1.5, 1.5 / (rise + 0.10)
    warp = 0.55 * fbm(u * 0.7, v * 0.7, SEED + 60, 3)

    def cover(offset: float) -> Array:
        return fbm((u + offset) * 0.62 + warp, v * 0.95 + 0.6 * warp + 0.3 * u, SEED + 64, 6, 0.55)

    here = cover(0.0)
    dense = smoothstep(-0.10, 0.30, here + 0.16 * fbm(u * 0.25, v * 0.3, SEED + 75, 2))
    lit = np.clip(0.55 - 2.4 * (cover(-0.16) - here) - 0.35 * dense, 0, 1)[..., None]
    bright, dull = np.array([1.75, 1.10, 0.70]), np.array([0.34, 0.33, 0.45])
    cloud = dull + (bright - dull) * lit
    thin = smoothstep(0.03, 0.16, rise) * 0.92
    return mix(colour, cloud, dense * thin).astype(np.float32)


def _fogged(colour: Array, z: Array, height: Array) -> Array:
    """Lay the blue of the distance and the low mist of the lake over colours seen at distance z."""
    thick = z / 30000 + z * 0.00012 * np.exp(-np.maximum(height, 0) / 70) * (z > 300)
    veil = 1 - np.exp(-thick)
    return mix(colour, np.broadcast_to(HAZE, colour.shape), veil)


def _lit(land: Land, x: Array, z: Array, albedo: Array, roughness: Array | None = None) -> Array:
    """Light ground of a given albedo with sun and sky."""
    normal = [land.field.at(part, x, z) for part in land.normal]
    if roughness is not None:
        normal = [part + bump for part, bump in zip(normal, (roughness, 0, 0.7 * roughness), strict=True)]
    direct = np.clip(sum(n * s for n, s in zip(normal, SUN, strict=True)), 0, 1) * land.field.at(land.sun, x, z)
    ambient = land.field.at(land.open_sky, x, z) * (0.5 + 0.5 * normal[1])
    return albedo * (direct[..., None] * LIGHT.sun_colour + ambient[..., None] * LIGHT.sky_colour)


def _mountain_albedo(land: Land, x: Array, z: Array, height: Array) -> Array:
    """Colour of the far ground: snow, rock, forest and meadow."""
    steep = 1 - land.field.at(land.normal[1], x, z)
    patch = fbm(x / 260, z / 260, SEED + 80, 4)
    grain = fbm(x / 24, z / 24, SEED + 84, 3)
    strata = np.sin(height / 17 + 4 * patch)
    rock = (0.9 + 0.35 * grain + 0.12 * strata)[..., None] * np.array([0.17, 0.145, 0.13], np.float32)
    scree = (0.9 + 0.2 * grain)[..., None] * np.array([0.25, 0.22, 0.19], np.float32)
    ground = mix(rock, scree, smoothstep(0.42, 0.25, steep))
    wood = smoothstep(80, -80, height - 640 - 320 * patch) * smoothstep(0.55, 0.40, steep)
    green = (0.8 + 0.8 * grain)[..., None] * np.array([0.045, 0.062, 0.026], np.float32)
    ground = mix(ground, np.maximum(green, 0.008), wood)
    meadow = smoothstep(0.10, 0.35, patch) * smoothstep(0.30, 0.12, steep) * smoothstep(420, 250, height)
    ground = mix(ground, (0.9 + 0.3 * grain)[..., None] * np.array([0.20, 0.19, 0.06], np.float32), meadow)
    gully = smoothstep(1.0, 0.72, land.field.at(land.open_sky, x, z))
    snow = smoothstep(760, 1200, height + 300 * patch + 110 * grain + 260 * gully)
    snow *= smoothstep(0.60, 0.46, steep + 0.16 * grain - 0.17 * gully)
    return mix(ground, np.broadcast_to(np.float32([0.88, 0.90, 0.95]), ground.shape), snow)


def _bank_albedo(land: Land, x: Array, z: Array, height: Array) -> Array:
    """Colour of the near ground: grass, boulders, and a wet rim at the water."""
    patch, grain = fbm(x * 0.3, z * 0.3, SEED + 90, 3), fbm(x * 6, z * 6, SEED + 94, 3)
    grass = mix(
        np.broadcast_to(np.float32([0.095, 0.11, 0.030]), (*x.shape, 3)),
        np.float32([0.25, 0.19, 0.07]),
        np.clip(0.5 + patch, 0, 1),
    )
    soil = np.float32([0.15, 0.115, 0.08])
    ground = mix(grass, np.broadcast_to(soil, grass.shape), smoothstep(0.45, 0.15, height))
    rock = land.field.at(land.rock, x, z)
    stone = (0.95 + 0.5 * grain)[..., None] * np.float32([0.24, 0.225, 0.21])
    ground = mix(ground * (1 + 0.5 * grain)[..., None], stone, rock)
    return ground * (0.42 + 0.58 * smoothstep(0.03, 0.16, height))[..., None]


def _show_land(image: Array, camera: Camera, land: Land, distance: Array, far: bool) -> None:
    """Shade the pixels whose rays meet a heightfield."""
    mask = np.isfinite(distance)
    rows, columns = np.nonzero(mask)
    z = distance[mask]
    x, height = z * camera.slopes()[columns], camera.altitude + z * camera.elevations()[rows]
    albedo = (_mountain_albedo if far else _bank_albedo)(land, x, z, height)
    rough = (
        0.30 * fbm(x / 13, z / 13, SEED + 99, 3) * smoothstep(0.9, 0.6, land.field.at(land.normal[1], x, z))
        if far
        else None
    )
    colour = _lit(land, x, z, albedo, rough)
    image[mask] = _fogged(colour, z, height) if far else colour


def _show_tree(image: Array, camera: Camera, sprites: dict[tuple[int, int], Sprite], world: World, tree: Tree) -> None:
    """Set one tree into the picture."""
    column, row = camera.project(tree.foot)
    tall = tree.height / tree.foot[2] * camera.focal
    size = max(4, round(1.06 ** round(np.log(tall) / np.log(1.06))))
    key = (tree.kind, size)
    if key not in sprites:
        sprites[key] = world.sprites[tree.kind].resized(size)
    sprite = sprites[key]
    top, left = round(float(row)) - size, round(float(column)) - sprite.alpha.shape[1] // 2
    rows, columns = slice(max(top, 0), max(top + size, 0)), slice(max(left, 0), max(left + sprite.alpha.shape[1], 0))
    target = image[rows, columns]
    if not target.size:
        return
    cut = np.s_[
        rows.start - top : rows.start - top + target.shape[0],
        columns.start - left : columns.start - left + target.shape[1],
    ]
    green = np.float32([0.052, 0.070, 0.024]) * (0.8 + 0.4 * ((tree.foot[0] * 7.7) % 1))
    light = (
        sprite.sun[cut][..., None] * LIGHT.sun_colour * 1.7 * tree.sun
        + sprite.sky[cut][..., None] * LIGHT.sky_colour * 0.9
    )
    colour = _fogged(
        (green * light).astype(np.float32),
        np.float32(tree.foot[2]),
        np.full(target.shape[:2], tree.foot[1] + tree.height / 2),
    )
    target[:] = mix(target, colour, sprite.alpha[cut])


def _visible(tree: Tree, camera: Camera, distance: Array) -> bool:
    """Tell whether the middle of a tree is in the frame and not behind a nearer slope."""
    column, row = camera.project(tree.foot + np.array([0, tree.height * 0.5, 0]))
    if not (-60 < column < camera.width + 60 and 0 <= row < camera.height):
        return False
    return bool(distance[int(row), int(np.clip(column, 0, camera.width - 1))] > tree.foot[2] * 0.985)


def _grass(image: Array, camera: Camera, land: Land, distance: Array, rng: np.random.Generator) -> None:
    """Grow blades of grass on the near banks, the farthest first."""
    rows, columns = np.nonzero(np.isfinite(distance))
    pick = rng.integers(0, len(rows), len(rows) // 9)
    rows, columns = rows[pick], columns[pick]
    z = distance[rows, columns]
    x, height = z * camera.slopes()[columns], camera.altitude + z * camera.elevations()[rows]
    tuft = fbm(x * 0.5, z * 0.5, SEED + 120, 3)
    grows = (height > 0.22 + 0.15 * tuft) & (land.field.at(land.rock, x, z) < 0.2) & (z < 110)
    order = np.flatnonzero(grows)[np.argsort(-z[grows], kind="stable")]
    x, z, height, tuft = x[order], z[order], height[order], tuft[order]
    tall = (
        np.clip((0.20 + 0.28 * np.clip(tuft + 0.3, 0, 1)) * rng.uniform(0.5, 1.3, z.size), 0.08, 0.7) / z * camera.focal
    )
    foot = camera.project(np.stack([x, height, z], axis=1))
    lean = rng.normal(0.12, 0.30, z.size)
    tip = foot + np.stack([lean * tall, -tall], axis=1)
    path = np.stack([foot, foot * 0.45 + tip * 0.55 - np.stack([0.12 * lean * tall, 0 * tall], axis=1), tip], axis=1)
    shade = (0.25 + 0.75 * land.field.at(land.sun, x, z)) * rng.uniform(0.45, 1.35, z.size)
    dry = np.clip(0.5 + 0.9 * tuft + rng.normal(0, 0.25, z.size), 0, 1)
    tint = mix(np.broadcast_to(np.float32([0.13, 0.15, 0.04]), (z.size, 3)), np.float32([0.42, 0.30, 0.11]), dry)
    canvas = Canvas(camera.width, camera.height)
    canvas.paint[:, :3] = image.reshape(-1, 3)
    for near, far, width in ((40, 111, 1.6), (20, 40, 2.2), (0, 20, 3.4)):
        part = (z >= near) & (z < far)
        if part.any():
            blade = Brush(width * camera.width / WIDTH, 0.1, 0, 0.8)
            lay(canvas, path[part].astype(np.float32), (tint * shade[:, None])[part].astype(np.float32), blade, rng)
    image[:] = canvas.colour


def render(world: World, camera: Camera) -> Array:
    """Return the linear light that a camera sees; a mirrored camera sees no water."""
    image = sky(camera)
    far = march(world.far.field, camera, 900, 15500, 1500, 3.0)
    _show_land(image, camera, world.far, far, True)
    cache: dict[tuple[int, int], Sprite] = {}
    for tree in world.far_trees:
        if _visible(tree, camera, far):
            _show_tree(image, camera, cache, world, tree)
    near = march(world.near.field, camera, 5.5, 178, 2600, 0.03)
    if camera.altitude > 0:
        water(world, camera, image, np.isfinite(far))
    _show_land(image, camera, world.near, near, False)
    behind = [tree for tree in world.near_trees if tree.foot[2] > 63]
    before = [tree for tree in world.near_trees if tree.foot[2] <= 63]
    for tree in behind:
        _show_tree(image, camera, cache, world, tree)
    for panel in world.panels:
        draw_panel(image, camera, panel)
    for tree in before:
        _show_tree(image, camera, cache, world, tree)
    draw_boat(image, camera, LIGHT, np.array([-1.9, 0.0, 23.5]), 2.62)
    _grass(image, camera, world.near, near, np.random.default_rng(SEED + 7))
    return image


def _ripples(x: Array, z: Array, footprint: Array) -> tuple[Array, Array]:
    """Slopes of the water along x and z; waves shorter than a pixel's footprint fade out."""
    slope_x, slope_z = np.zeros_like(x), np.zeros_like(x)
    for octave, (length, strength) in enumerate(
        ((14.0, 0.006), (5.0, 0.008), (1.8, 0.010), (0.7, 0.012), (0.28, 0.010))
    ):
        fade = strength / (1 + (footprint / length * 1.6) ** 2)
        slope_z += fade * perlin(x / length * 0.45, z / length, SEED + 130 + octave)
        slope_x += 0.6 * fade * perlin(x / length * 0.45 + 50, z / length, SEED + 140 + octave)
    return slope_x, slope_z


def water(world: World, camera: Camera, image: Array, land: Array) -> None:
    """Fill the water with what it mirrors, and with its own green depth where one looks down into it."""
    scale = 2
    mirror = replace(camera, width=camera.width // scale, height=camera.height // scale, focal=camera.focal / scale)
    mirror = replace(mirror, horizon=camera.horizon / scale, altitude=-camera.altitude)
    reflected = render(world, mirror)
    rise = np.broadcast_to(camera.elevations()[:, None], land.shape)
    rows, columns = np.nonzero(~land & (rise < -1e-4))
    down = -rise[rows, columns]
    z = camera.altitude / down
    x = z * camera.slopes()[columns]
    footprint = z / (down * camera.focal)
    slope_x, slope_z = _ripples(x, z, footprint)
    calm = 0.35 + 0.65 * smoothstep(-0.25, 0.25, fbm(x / 60, z / 160, SEED + 150, 3))
    rough = 0.010 * (1 - 1 / (1 + footprint * 1.2)) * calm
    total = np.zeros((len(rows), 3), np.float32)
    taps = np.linspace(-1.6, 1.6, 7)
    jitter = np.random.default_rng(SEED).uniform(-0.25, 0.25, len(rows))
    for tap in taps:
        lift = down + 2 * (slope_z * calm + rough * (tap + jitter))
        place = [
            (camera.horizon - np.abs(lift) * camera.focal) / scale - 0.5,
            (columns + 2 * slope_x * calm * camera.focal * 0.4) / scale,
        ]
        for channel in range(3):
            total[:, channel] += ndimage.map_coordinates(reflected[..., channel], place, order=1, mode="nearest")
    facing = np.clip(down + slope_z * 1.5, 0.005, 1)
    fresnel = 0.03 + 0.97 * (1 - facing / np.sqrt(1 + facing**2)) ** 4.2
    bed = fbm(x * 2.2, z * 2.2, SEED + 160, 3)
    depth = (0.9 + 0.35 * bed)[:, None] * np.float32([0.030, 0.070, 0.068])
    image[rows, columns] = mix(depth, total / len(taps) * np.float32([0.90, 0.95, 0.98]), fresnel)


def develop(light: Array) -> Array:
    """Turn linear light into a picture: bloom, film curve, vignette and grain."""
    light = light + 0.10 * (ndimage.gaussian_filter(light, (28, 28, 0)) - light)
    height, width = light.shape[:2]
    x, y = pixel_grid(width, height)
    edge = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2) * 2
    light = np.maximum(light * (1.05 - 0.30 * edge)[..., None] * 0.78, 0)
    film = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    picture = np.clip(film, 0, 1) ** (1 / 2.2)
    grain = np.random.default_rng(SEED).normal(0, 0.010, (height, width)).astype(np.float32)
    return np.clip(picture + grain[..., None], 0, 1)


def draw() -> Image.Image:
    """Draw the picture."""
    return to_image(develop(render(build_world(), CAMERA)))
