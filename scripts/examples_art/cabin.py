"""The log cabin and the jetty of the lakeside picture: textured flat panels in perspective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .common import Array, fbm, perlin, smoothstep
from .terrain import Camera

Shader = Callable[[Array, Array], Array]
Inside = Callable[[Array, Array], Array]
LOG_WIDTH = 0.24


@dataclass(frozen=True)
class Light:
    """Direction to the sun, and the colours of sun and sky, in linear light."""

    sun: Array
    sun_colour: Array
    sky_colour: Array

    def on(self, normal: Array, shadow: float | Array = 1.0) -> Array:
        """Light that falls on a surface."""
        direct = max(0.0, float(normal @ self.sun)) * np.asarray(shadow)
        return direct[..., None] * self.sun_colour + (0.55 + 0.45 * max(normal[1], -0.6)) * self.sky_colour


@dataclass(frozen=True)
class Panel:
    """A parallelogram in space: a corner, its two edges in metres, and the colour of its points."""

    corner: Array
    right: Array
    up: Array
    shader: Shader
    inside: Inside | None = None


def _homography(quad: Array) -> Array:
    """Return the matrix that brings pixels of a quadrilateral to the unit square."""
    rows = []
    for (u, v), (px, py) in zip(((0, 0), (1, 0), (1, 1), (0, 1)), quad, strict=True):
        rows.append([px, py, 1, 0, 0, 0, -u * px, -u * py, u])
        rows.append([0, 0, 0, px, py, 1, -v * px, -v * py, v])
    system = np.array(rows, np.float64)
    return np.append(np.linalg.solve(system[:, :8], system[:, 8]), 1.0).reshape(3, 3)


def draw_panel(image: Array, camera: Camera, panel: Panel) -> None:
    """Draw a panel over an image of linear light; its shader is given metres."""
    origin, right, up = panel.corner, panel.right, panel.up
    wide, tall = np.linalg.norm(right), np.linalg.norm(up)
    corners = np.stack([origin, origin + right, origin + right + up, origin + up])
    fill_quad(image, camera, corners, lambda u, v: panel.shader(u * wide, v * tall), panel.inside)


def fill_quad(image: Array, camera: Camera, corners: Array, shader: Shader, inside: Inside | None = None) -> None:
    """Draw a quadrilateral of four points in space; its shader is given coordinates of 0..1."""
    quad = camera.project(corners)
    low = np.maximum(np.floor(quad.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(quad.max(axis=0)).astype(int) + 1, [camera.width, camera.height])
    if (low >= high).any() or np.ptp(quad, axis=0).min() < 0.5:
        return
    y, x = np.mgrid[low[1] : high[1], low[0] : high[0]] + 0.5
    m = _homography(quad)
    w = m[2, 0] * x + m[2, 1] * y + m[2, 2]
    u, v = (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / w, (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / w
    mask = (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
    if inside is not None:
        mask &= inside(u, v)
    u, v = u[mask].astype(np.float32), v[mask].astype(np.float32)
    image[low[1] : high[1], low[0] : high[0]][mask] = shader(u, v)


def _wood(u: Array, v: Array, seed: int, grain: float = 14.0) -> Array:
    """Brown of weathered wood whose grain runs along u."""
    tone = 0.75 + 0.35 * fbm(u * 0.8, v * grain, seed, 3) + 0.25 * perlin(u * 3, v * 4, seed + 7)
    return np.clip(tone, 0.15, 2)[..., None] * np.array([0.23, 0.125, 0.062], np.float32)


def logs(light: Light, normal: Array, height: float, seed: int) -> Shader:
    """Shade a wall of round logs, dark between them and under the eaves."""

    def shade(u: Array, v: Array) -> Array:
        number = np.floor(v / LOG_WIDTH)
        bulge = np.abs(v / LOG_WIDTH - number - 0.5) * 2
        round_light = 0.35 + 0.75 * np.sqrt(np.clip(1 - bulge**2, 0, 1)) + 0.25 * (v / LOG_WIDTH - number - 0.5)
        eaves = smoothstep(height - 0.10, height - 0.75, v)
        tint = 1 + 0.18 * perlin(number * 0.7 + 0.5, number * 0.37, seed + 3)
        colour = _wood(u + number * 7.3, v, seed) * (round_light * tint)[..., None]
        return colour * light.on(normal, 0.15 + 0.85 * eaves)

    return shade


def shingles(light: Light, normal: Array, seed: int) -> Shader:
    """Shade a roof of wooden shingles with patches of moss."""

    def shade(u: Array, v: Array) -> Array:
        row = np.floor(v / 0.22)
        column = np.floor(u / 0.16 + 0.5 * (row % 2) + 0.3 * perlin(row * 0.9, u, seed))
        tone = 0.65 + 0.5 * perlin(column * 0.61 + 0.3, row * 0.83 + 0.2, seed + 1) + 0.35 * (v / 0.22 - row)
        moss = smoothstep(0.05, 0.4, fbm(u * 0.6, v * 0.9, seed + 2, 3))[..., None]
        colour = tone[..., None] * ((1 - moss) * np.array([0.15, 0.105, 0.085]) + moss * np.array([0.12, 0.125, 0.045]))
        return colour * light.on(normal)

    return shade


def planks(light: Light, normal: Array, seed: int) -> Shader:
    """Shade boards laid across u."""

    def shade(u: Array, v: Array) -> Array:
        board = np.floor(u / 0.19)
        gap = smoothstep(0.0, 0.08, np.abs((u / 0.19 - board) - 0.5) * -2 + 1)
        tone = (0.85 + 0.4 * perlin(board * 0.77 + 0.1, 0 * board, seed)) * (0.15 + 0.85 * gap)
        grey = _wood(v, u, seed + 1, 22) * 0.6 + np.array([0.10, 0.09, 0.08])
        return grey * tone[..., None] * light.on(normal)

    return shade


def window(light: Light, normal: Array, width: float, height: float) -> Shader:
    """Shade a lamp-lit window with frame and glazing bars."""

    def shade(u: Array, v: Array) -> Array:
        edge = np.minimum(np.minimum(u, width - u), np.minimum(v, height - v))
        bar = (edge < 0.08) | (np.abs(u - width / 2) < 0.03) | (np.abs(v - height / 2) < 0.03)
        lamp = np.exp(-((u - width * 0.45) ** 2 + (v - height * 0.4) ** 2) * 1.6)
        curtain = np.abs(u - width / 2) > width * 0.30
        glow = ((0.35 + 1.2 * lamp) * np.where(curtain, 0.55, 1))[..., None] * np.array([1.7, 0.74, 0.17])
        frame = np.array([0.42, 0.33, 0.25]) * light.on(normal)
        return np.where(bar[..., None], frame, glow)

    return shade


def cabin_panels(light: Light, place: Array, yaw: float) -> list[Panel]:
    """Return the panels of the cabin, from back to front; `place` is its front left corner on the ground."""
    a, b, up = np.array([np.cos(yaw), 0, np.sin(yaw)]), np.array([-np.sin(yaw), 0, np.cos(yaw)]), np.array([0, 1.0, 0])
    wide, deep, wall, ridge = 5.4, 7.2, 2.5, 2.5
    pitch = up * ridge + a * wide / 2
    roof_normal = np.cross(b, pitch)
    roof_normal = roof_normal / np.linalg.norm(roof_normal) * (1 if np.cross(b, pitch)[1] > 0 else -1)
    eave, over = -0.17 * pitch, 0.7
    gable = logs(light, -b, ridge + wall, 31)
    stone = np.array([0.20, 0.185, 0.17])

    def masonry(normal: Array) -> Shader:
        return lambda u, v: (0.7 + 0.6 * fbm(u * 3, v * 5, 41, 2))[..., None] * stone * light.on(normal)

    flue = place + a * wide * 0.66 + b * deep * 0.6 + up * (wall + 1.0)
    left = place + b * 2.2 + up * 0.9
    front = place + a * 3.35 + up * 0.95
    door = place + a * 1.2 + up * 0.12
    far_roof = -up * ridge + a * wide / 2
    ridge_end = place + pitch + up * wall - b * over
    return [
        Panel(flue, a * 0.8, up * 2.3, masonry(-b)),
        Panel(flue + b * 0.8, -b * 0.8, up * 2.3, masonry(-a)),
        Panel(place + b * deep, -b * deep, up * wall, logs(light, -a, wall, 21)),
        Panel(place, a * wide, up * wall, gable),
        Panel(place + up * wall, a * wide, up * ridge, gable, lambda u, v: v < 1 - np.abs(2 * u - 1)),
        Panel(left + b * 2.2, -b * 1.3, up * 1.0, window(light, -a, 1.3, 1.0)),
        Panel(front, a * 1.2, up * 1.05, window(light, -b, 1.2, 1.05)),
        Panel(place + a * 2.25 + up * 3.0, a * 0.9, up * 0.8, window(light, -b, 0.9, 0.8)),
        Panel(door, a * 1.05, up * 2.05, lambda u, v: _wood(v, u, 51, 9) * 0.55 * light.on(-b)),
        Panel(
            place + eave + up * wall - b * over, b * (deep + 2 * over), pitch * 1.17, shingles(light, roof_normal, 61)
        ),
        Panel(
            place + eave + up * (wall - 0.16) - b * over,
            up * 0.22,
            pitch * 1.18,
            lambda u, v: _wood(v, u, 71) * 1.3 * light.on(-b),
        ),
        Panel(ridge_end, b * over, far_roof * 1.17, lambda u, v: _wood(v, u, 73, 5) * 0.35 * light.on(-up)),
        Panel(
            ridge_end - up * 0.16,
            up * 0.22,
            far_roof * 1.17,
            lambda u, v: _wood(v, u, 72) * 1.1 * light.on(-b),
        ),
    ]


def jetty_panels(light: Light, start: Array, along: Array, length: float) -> list[Panel]:
    """Return the panels of a jetty that runs from `start` over the water."""
    up = np.array([0, 1.0, 0])
    along = along / np.linalg.norm(along)
    side = np.array([-along[2], 0, along[0]])
    posts = []
    for step in np.linspace(0.25, 1, 5):
        for edge in (1.45, -0.02):
            foot = start + along * length * step + side * edge - up * start[1]
            posts.append(
                Panel(foot, along * 0.16, up * (start[1] + 0.45), lambda u, v: _wood(v, u, 81) * 0.8 * light.on(-along))
            )
    deck = Panel(start, along * length, side * 1.45, planks(light, up, 91))
    rim = Panel(start - up * 0.2, along * length, up * 0.2, lambda u, v: _wood(u, v, 92) * 0.9 * light.on(-side))
    far, near = posts[0::2], posts[1::2]
    return [*far, deck, rim, *near]
