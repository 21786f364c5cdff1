"""The rowing boat of the lakeside picture: a lofted hull of small facets."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .cabin import Light, fill_quad
from .common import Array, perlin
from .terrain import Camera

LENGTH, BEAM = 4.3, 0.66
PAINT, TRIM, INSIDE = np.array([0.34, 0.045, 0.030]), np.array([0.62, 0.55, 0.44]), np.array([0.24, 0.14, 0.075])


def _hull(t: Array, v: Array, side: float) -> Array:
    """Points of the hull: `t` from stern -1 to bow 1, `v` from the waterline 0 to the gunwale 1."""
    bow = np.clip(t, 0, 1)
    half = BEAM * np.where(t > 0, (1 - bow**2.3) ** 0.75, 1 - 0.22 * t * t) * (0.70 + 0.30 * v**0.7)
    sheer = 0.40 + 0.12 * t * t + 0.20 * bow**3
    return np.stack([t * LENGTH / 2 * (1 + 0.07 * v * bow), v * sheer, side * half], axis=-1)


def _facets() -> list[tuple[Array, Array, Array]]:
    """Return (corners, outer colour, inner colour) of each facet in the boat's own frame."""
    facets = []
    ends, planks = np.linspace(-1, 1, 45), np.linspace(0, 1, 7)
    for side in (-1.0, 1.0):
        for t0, t1 in pairwise(ends):
            for number, (v0, v1) in enumerate(pairwise(planks)):
                corners = _hull(np.array([t0, t1, t1, t0]), np.array([v0, v0, v1, v1]), side)
                lap = 0.82 + 0.30 * (number % 2)
                outer = TRIM if number == 5 else PAINT * lap
                facets.append((corners, outer, (TRIM if number == 5 else INSIDE * (0.35 + 0.12 * number))))
    stern = np.array([-1.0, -1.0])
    for v0, v1 in pairwise(planks):
        left, right = _hull(stern, np.array([v0, v1]), -1.0), _hull(stern, np.array([v0, v1]), 1.0)
        facets.append((np.stack([left[0], right[0], right[1], left[1]]), PAINT * 0.9, INSIDE * 0.7))
    for t0, t1, level in ((-0.98, -0.72, 0.78), (-0.30, -0.12, 0.72), (0.28, 0.44, 0.72)):
        seat = np.concatenate(
            [_hull(np.array([t0, t1]), np.full(2, level), -0.96), _hull(np.array([t1, t0]), np.full(2, level), 0.96)]
        )
        facets.append((seat, INSIDE * 1.5, INSIDE * 1.5))
    floor = np.concatenate(
        [_hull(np.array([-0.98, 0.8]), np.full(2, 0.14), -0.97), _hull(np.array([0.8, -0.98]), np.full(2, 0.14), 0.97)]
    )
    facets.append((floor, INSIDE * 0.45, INSIDE * 0.45))
    return facets


def draw_boat(image: Array, camera: Camera, light: Light, place: Array, yaw: float) -> None:
    """Draw the boat at `place` on the water, its bow turned by `yaw` from the x axis towards the distance."""
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    eye = np.array([0, camera.altitude, 0])
    facets = [(corners @ turn + place, corners, outer, inner) for corners, outer, inner in _facets()]
    floor = facets.pop()
    facets.sort(key=lambda facet: -float(np.linalg.norm(facet[0].mean(axis=0) - eye)))
    facets.insert(0, floor)
    for corners, own, outer, inner in facets:
        if camera.altitude < 0:
            corners[:, 1] = np.where(own[:, 1] <= 0, -0.25, corners[:, 1])  # waves mirror a little more than stands out
        normal = np.cross(corners[2] - corners[0], corners[3] - corners[1])
        normal /= np.linalg.norm(normal) + 1e-9
        outward = (
            np.array([0, 0.4, np.sign(own[:, 2].mean()) or 0])
            if abs(own[:, 2].mean()) > 1e-3
            else np.array([-1.0, 1.0, 0])
        )
        normal *= np.sign(normal @ (outward @ turn)) or 1
        seen_outside = normal @ (eye - corners.mean(axis=0)) > 0
        colour = outer if seen_outside else inner
        tone = light.on(normal if seen_outside else -normal, 1.0 if seen_outside else 0.75)

        def shade(u: Array, v: Array, colour: Array = colour, tone: Array = tone, own: Array = own) -> Array:
            wear = 1 + 0.22 * perlin((own[0, 0] + u * 0.3) * 3, own[0, 1] * 40 + v * 3 + own[0, 2] * 5, 5)
            return wear[..., None] * colour * tone

        fill_quad(image, camera, corners, shade)
