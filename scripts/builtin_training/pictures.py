"""The generator of training pictures: textures, overlapping shapes, marks, and pictures painted or printed from others.

Nothing here is copied from a painting: the aim is not any one style, but that whatever occurs in pictures (edges,
lines, corners, dots, grain, strokes, shading, of every size and colour) occurs often.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from .fields import Array, Rng, cells, clouds, colorize, noise, palette, texture

SIDE = 400
"""Height and width of a generated picture, in pixels."""


def generate(count: int, seed: int, guides: Sequence[Array] = (), workers: int = 1) -> Iterator[Array]:
    """Generate pictures, the same for the same seed.

    Args:
        count: how many.
        seed: of the random numbers.
        guides: pictures, uint8 (height, width, 3), of which some are painted or printed anew.
        workers: processes to share the work.

    Yields:
        uint8 (SIDE, SIDE, 3) each, in order.
    """
    jobs = [(seed, index, guides[index % len(guides)] if guides else None) for index in range(count)]
    if workers == 1:
        yield from map(_generate, jobs)
        return
    with ProcessPoolExecutor(workers, initializer=_leave_signals_to_the_parent) as pool:
        try:
            yield from pool.map(_generate, jobs, chunksize=4)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _leave_signals_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _generate(job: tuple[int, int, Array | None]) -> Array:
    seed, index, guide = job
    rng = np.random.default_rng([seed, index])
    kind = _KINDS[index % len(_KINDS)]
    picture = kind(rng, guide)
    if rng.random() < 0.5:
        picture = picture * np.clip(1 + rng.uniform(0.05, 0.25) * noise(rng, SIDE, 1.8), 0.3, 2)[..., None]  # light
    if rng.random() < 0.3:
        picture = picture + rng.uniform(0.01, 0.06) * noise(rng, SIDE, rng.uniform(0, 0.8))[..., None]  # grain, paper
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _textures(rng: Rng, guide: Array | None) -> Array:
    return texture(rng, SIDE)


def _leaves(rng: Rng, guide: Array | None) -> Array:
    """Overlapping shapes of power-law sizes, plain, shaded or textured: the statistics of photographs."""
    fills = [texture(rng, SIDE) for _ in range(rng.integers(2, 6))]
    colors = palette(rng)
    picture = fills[0].copy()
    smallest, power = rng.uniform(2, 8), rng.uniform(0.5, 1.0)
    plain = rng.uniform(0.2, 0.9)
    for radius in np.sort(np.minimum(smallest / rng.random(rng.integers(150, 700)) ** power, SIDE / 3))[::-1]:
        x, y = rng.uniform(0, SIDE, 2)
        left, top = max(0, int(x - radius)), max(0, int(y - radius))
        right, bottom = min(SIDE, int(x + radius) + 1), min(SIDE, int(y + radius) + 1)
        if right - left < 1 or bottom - top < 1:
            continue
        mask = _shape(rng, radius, x - left, y - top, right - left, bottom - top)
        if rng.random() < plain:
            color = colors[rng.integers(len(colors))] + rng.normal(0, 0.08) + rng.normal(0, 0.03, 3)
            fill = np.broadcast_to(color, (*mask.shape, 3))
        else:
            fill = fills[rng.integers(len(fills))][top:bottom, left:right]
        if rng.random() < 0.4:
            ramp = (
                np.linspace(-1, 1, mask.shape[0])[:, None] * rng.normal()
                + np.linspace(-1, 1, mask.shape[1]) * rng.normal()
            )
            fill = fill + 0.12 * ramp[..., None]
        area = picture[top:bottom, left:right]
        area += (fill - area) * mask[..., None]
    if rng.random() < 0.3:
        picture = ndimage.gaussian_filter(picture, (rng.uniform(0.3, 1.2),) * 2 + (0,))
    return picture


def _shape(rng: Rng, radius: float, x: float, y: float, width: int, height: int) -> Array:
    """A disc or a polygon around (x, y), antialiased: (height, width) of 0-1."""
    scale = 2
    image = Image.new("L", (width * scale, height * scale))
    corners = rng.choice([3, 4, 5, 7, 40], p=[0.15, 0.3, 0.1, 0.1, 0.35])
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.uniform(0, 2 * np.pi)
    reach = radius * (1 if corners == 40 else rng.uniform(0.5, 1, corners))
    squeeze, turn = rng.uniform(0.15, 1), rng.uniform(0, np.pi)
    u, v = reach * np.cos(angle), reach * np.sin(angle) * squeeze
    points = np.stack([x + u * np.cos(turn) - v * np.sin(turn), y + u * np.sin(turn) + v * np.cos(turn)], -1) * scale
    ImageDraw.Draw(image).polygon([tuple(point) for point in points.tolist()], fill=255)
    return np.asarray(image.reduce(scale), np.float32) / 255


def _marks(rng: Rng, guide: Array | None) -> Array:
    """Rows of marks like letters, or hatching and scribbles, on paper."""
    scale = 2
    ground = colorize(clouds(rng, SIDE), palette(rng)) * 0.3 + 0.7 * palette(rng)[-1 if rng.random() < 0.7 else 0]
    ink = palette(rng)[0 if rng.random() < 0.7 else -1]
    image = Image.new("L", (SIDE * scale, SIDE * scale))
    draw = ImageDraw.Draw(image)
    size = np.exp(rng.uniform(np.log(6), np.log(45)))
    letters = rng.random() < 0.6
    slant = rng.uniform(0, np.pi)
    glyphs = [rng.uniform(0, 1, (rng.integers(2, 6), 2)) for _ in range(12)]
    width = max(1, round(size * scale * rng.uniform(0.05, 0.25)))
    for y in np.arange(0, SIDE, size * rng.uniform(0.7, 1.6)):
        for x in np.arange(0, SIDE, size * rng.uniform(0.5, 1.2)):
            if rng.random() < 0.12:
                continue
            if letters:
                points = (glyphs[rng.integers(len(glyphs))] * size * 0.8 + [x, y]) * scale
            else:
                slant += rng.normal(0, 0.1)
                half = size * rng.uniform(0.3, 1.5) * np.array([np.cos(slant), np.sin(slant)])
                centre = np.array([x, y]) + rng.normal(0, size / 4, 2)
                points = np.stack([centre - half, centre + rng.normal(0, size / 8, 2), centre + half]) * scale
            draw.line([tuple(point) for point in points.tolist()], fill=255, width=width, joint="curve")
    mask = np.asarray(image.reduce(scale), np.float32)[..., None] / 255
    return ground + (ink - ground) * mask


def _painted(rng: Rng, guide: Array | None) -> Array:
    """Brush strokes, coarse to fine, along a flow over a guide picture."""
    source = _guide(rng, guide)
    scale = 2
    angle = _flow(rng, source)
    image = Image.fromarray(np.uint8(np.clip(ndimage.gaussian_filter(source, (12, 12, 0)), 0, 1) * 255))
    image = image.resize((SIDE * scale, SIDE * scale))
    draw = ImageDraw.Draw(image)
    finest = np.exp(rng.uniform(np.log(1.2), np.log(5)))
    jitter, length, bristle = rng.uniform(0.02, 0.12), rng.uniform(2, 7), rng.uniform(0, 0.12)
    for width in finest * np.array([4, 2, 1]):
        soft = ndimage.gaussian_filter(source, (width / 2, width / 2, 0))
        for _ in range(int(min(6000, 1.3 * SIDE * SIDE / (width * width * length)))):
            x, y = rng.uniform(0, SIDE, 2)
            color = soft[int(y), int(x)] + rng.normal(0, jitter) + rng.normal(0, jitter / 2, 3)
            points = [(x * scale, y * scale)]
            for _ in range(3):
                a = angle[int(y) % SIDE, int(x) % SIDE]
                x, y = x + np.cos(a) * width * length / 3, y + np.sin(a) * width * length / 3
                points.append((x * scale, y * scale))
            draw.line(points, fill=_rgb(color), width=max(1, round(width * scale)), joint="curve")
            if bristle > 0.03 and width > 2:
                shift = np.array([-np.sin(a), np.cos(a)]) * width * scale * rng.uniform(-0.4, 0.4)
                streak = [(px + shift[0], py + shift[1]) for px, py in points]
                draw.line(streak, fill=_rgb(color + rng.choice([-1, 1]) * bristle), width=max(1, round(width * 0.4)))
    return np.asarray(image.reduce(scale), np.float32) / 255


def _printed(rng: Rng, guide: Array | None) -> Array:
    """A guide picture as a print: engraved lines, halftone dots, stipple, or few flat inks."""
    source = _guide(rng, guide)
    light = ndimage.gaussian_filter(source.mean(-1), 1.0)
    light = (light - light.min()) / (np.ptp(light) + 1e-6)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    pitch = np.exp(rng.uniform(np.log(3.5), np.log(14)))
    angle = rng.uniform(0, np.pi)
    along = (x * np.cos(angle) + y * np.sin(angle) + rng.uniform(0, 12) * noise(rng, SIDE, 2)) * (2 * np.pi / pitch)
    across = (y * np.cos(angle) - x * np.sin(angle)) * (2 * np.pi / pitch)
    method = rng.integers(4)
    if method == 0:
        screen = 0.5 + 0.5 * np.sin(along)
    elif method == 1:
        screen = 0.5 + 0.25 * (np.sin(along) + np.sin(across))
    elif method == 2:
        screen = ndimage.gaussian_filter(rng.random((SIDE, SIDE)), pitch / 6)
        screen = (screen - screen.min()) / np.ptp(screen)
    else:
        steps = rng.integers(2, 6)
        flat = np.floor(np.clip(light + 0.05 * noise(rng, SIDE, 1.5), 0, 0.999) * steps)
        return colorize(ndimage.median_filter(flat, int(rng.integers(2, 6))), palette(rng))
    ink = ndimage.gaussian_filter((light < screen).astype(np.float32), rng.uniform(0.4, 0.9))[..., None]
    colors = palette(rng)
    paper = source * 0.6 + 0.4 if rng.random() < 0.4 else colors[-1]
    return paper + (colors[0] - paper) * ink


def _mosaic(rng: Rng, guide: Array | None) -> Array:
    """A guide picture in cells of one colour each, with or without joints."""
    source = _guide(rng, guide)
    field = cells(rng, SIDE)
    _, labels = np.unique(np.round(field, 3), return_inverse=True)
    labels = labels.reshape(SIDE, SIDE)
    region, count = ndimage.label(ndimage.morphological_gradient(labels, 3) == 0)
    index = np.arange(count + 1)
    means = np.stack([ndimage.mean(source[..., c], region, index) for c in range(3)], -1)
    nearest = ndimage.distance_transform_edt(region == 0, return_distances=False, return_indices=True)
    picture = means[region[tuple(nearest)]]
    if rng.random() < 0.6:
        picture = np.where((region == 0)[..., None], palette(rng)[0], picture)
    return ndimage.gaussian_filter(picture, (0.6, 0.6, 0)).astype(np.float32)


def _washed(rng: Rng, guide: Array | None) -> Array:
    """A guide picture in washes: flattened, with darker rims and paper."""
    source = _guide(rng, guide)
    image = Image.fromarray(np.uint8(np.clip(source, 0, 1) * 255)).filter(
        ImageFilter.MedianFilter(int(rng.choice([3, 5, 7])))
    )
    picture = np.asarray(image, np.float32) / 255
    shift = [noise(rng, SIDE, 1.8) * rng.uniform(0, 3) for _ in range(2)]
    y, x = np.mgrid[:SIDE, :SIDE]
    picture = np.stack(
        [
            ndimage.map_coordinates(picture[..., c], [y + shift[0], x + shift[1]], order=1, mode="reflect")
            for c in range(3)
        ],
        -1,
    )
    rim = ndimage.gaussian_gradient_magnitude(picture.mean(-1), 1.2)[..., None]
    paper = clouds(rng, SIDE)[..., None] * rng.uniform(0, 0.06)
    return picture - rim * rng.uniform(-1, 3) + paper


def _guide(rng: Rng, guide: Array | None) -> Array:
    """A picture to paint from: part of the guide given, or shapes, or a texture. (SIDE, SIDE, 3) of 0-1."""
    if guide is None or rng.random() < 0.5:
        source = _leaves(rng, None) if rng.random() < 0.6 else texture(rng, SIDE)
    else:
        image = Image.fromarray(guide)
        side = int(min(image.size) * rng.uniform(0.5, 1))
        left, top = rng.integers(0, image.width - side + 1), rng.integers(0, image.height - side + 1)
        image = image.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        source = np.asarray(image, np.float32) / 255
    if rng.random() < 0.5:
        colors = palette(rng)
        source = source + (colorize(source.mean(-1), colors) - source) * rng.uniform(0.3, 1)
    return source


def _flow(rng: Rng, source: Array) -> Array:
    """Directions to paint along, radians (SIDE, SIDE): smooth turns, or along the guide's edges."""
    if rng.random() < 0.5:
        return noise(rng, SIDE, rng.uniform(1.5, 2.5)) * rng.uniform(0.2, 2) + rng.uniform(0, np.pi)
    light = ndimage.gaussian_filter(source.mean(-1), 4)
    dy, dx = np.gradient(light)
    smooth = [ndimage.gaussian_filter(part, 8) for part in (dx * dx - dy * dy, 2 * dx * dy)]
    return 0.5 * np.arctan2(smooth[1], smooth[0]) + np.pi / 2


def _rgb(color: Array) -> tuple[int, ...]:
    return tuple(int(value) for value in np.clip(color, 0, 1) * 255)


_KINDS = (
    _leaves,
    _textures,
    _painted,
    _leaves,
    _marks,
    _painted,
    _textures,
    _printed,
    _leaves,
    _mosaic,
    _painted,
    _washed,
)
