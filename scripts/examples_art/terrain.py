"""Terrain of the lakeside picture: river erosion, cast shadows, and a perspective view of a heightfield."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .common import Array

_NEIGHBOURS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]


@dataclass(frozen=True)
class Camera:
    """A level camera: `focal` and `horizon` in pixels, `altitude` in metres above the water.

    A negative altitude is the mirrored camera below the water, which sees what the water reflects.
    """

    width: int
    height: int
    focal: float
    horizon: float
    altitude: float

    def slopes(self) -> Array:
        """Sideways slope x/z of each column's rays."""
        return ((np.arange(self.width) + 0.5 - self.width / 2) / self.focal).astype(np.float32)

    def elevations(self) -> Array:
        """Upward slope y/z of each row's rays."""
        return ((self.horizon - np.arange(self.height) - 0.5) / self.focal).astype(np.float32)

    def project(self, points: Array) -> Array:
        """Bring (x, y, z) points in metres to pixels."""
        points = np.asarray(points, np.float64)
        column = self.width / 2 + self.focal * points[..., 0] / points[..., 2]
        row = self.horizon - self.focal * (points[..., 1] - self.altitude) / points[..., 2]
        return np.stack([column, row], axis=-1)


@dataclass(frozen=True)
class Heightfield:
    """Heights in metres on a grid of square cells, rows going away from the camera; water lies at 0."""

    height: Array
    left: float
    near: float
    cell: float

    def at(self, values: Array, x: Array, z: Array) -> Array:
        """Read an array that lies on this grid at points in metres."""
        place = [(np.asarray(z) - self.near) / self.cell, (np.asarray(x) - self.left) / self.cell]
        return ndimage.map_coordinates(values, place, order=1, mode="nearest")

    def normals(self) -> tuple[Array, Array, Array]:
        """Components (x, y, z) of the unit normal of each cell."""
        slope_z, slope_x = np.gradient(self.height, self.cell)
        norm = 1 / np.sqrt(slope_x**2 + slope_z**2 + 1)
        return -slope_x * norm, norm, -slope_z * norm


def _receivers(height: Array) -> tuple[Array, Array]:
    """Find the flat index of each cell's steepest lower neighbour (itself, if none) and the distance to it."""
    index = np.arange(height.size).reshape(height.shape)
    receiver, length = index.copy(), np.ones(height.shape)
    steepest = np.zeros(height.shape)
    for dy, dx in _NEIGHBOURS:
        reach = np.hypot(dy, dx)
        slope = (height - np.roll(height, (dy, dx), (0, 1))) / reach
        better = slope > steepest
        steepest[better] = slope[better]
        receiver[better] = np.roll(index, (dy, dx), (0, 1))[better]
        length[better] = reach
    return receiver.ravel(), length.ravel()


def _drainage(receiver: Array, rounds: int) -> Array:
    """Count the cells that drain through each cell, by doubling the distance looked ahead in every round."""
    size = receiver.size
    ahead = np.append(np.where(receiver == np.arange(size), size, receiver), size)
    area = np.ones(size + 1)
    for _ in range(rounds):
        area += np.bincount(ahead, area, size + 1)
        ahead = ahead[ahead]
    return area[:-1]


def erode(height: Array, uplift: Array, base: Array, steps: int, exponent: float = 0.5) -> Array:
    """Raise the land and let rivers cut it, by implicit steps of the stream-power law.

    Cells of the mask `base` keep their height. The result scales with `uplift`; only its shape matters.
    """
    rounds = int(np.ceil(np.log2(sum(height.shape) * 2)))
    flat, rise, fixed = height.ravel().copy(), uplift.ravel(), base.ravel()
    for _ in range(steps):
        receiver, length = _receivers(flat.reshape(height.shape))
        receiver[fixed] = np.flatnonzero(fixed)
        power = _drainage(receiver, rounds) ** exponent / length
        still = receiver == np.arange(flat.size)
        weight = np.where(still, 0, power / (1 + power))
        level = np.where(fixed, flat, (flat + rise) * np.where(still, 1, 1 / (1 + power)))
        for _ in range(rounds):
            level = level + weight * level[receiver]
            weight = weight * weight[receiver]
            receiver = receiver[receiver]
        flat = level
    return flat.reshape(height.shape)


def sunlit(field: Heightfield, sun: Array, softness: float) -> Array:
    """Return how much direct sun each cell gets, 0..1, with the shadows that the terrain casts.

    The heights are turned so that columns run towards the sun; a running maximum then carries each shadow's roof.
    """
    size = field.height.shape
    to_sun = np.array([sun[2], sun[0]]) / np.hypot(sun[0], sun[2])
    across = np.array([-to_sun[1], to_sun[0]])
    reach = int(np.hypot(*size)) // 2 + 2
    v, u = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    place = [size[axis] / 2 + u * to_sun[axis] + v * across[axis] for axis in (0, 1)]
    turned = ndimage.map_coordinates(field.height, place, order=1, mode="constant", cval=-500.0)
    fall = u[0] * (sun[1] / np.hypot(sun[0], sun[2]) * field.cell)
    roof = np.maximum.accumulate((turned - fall)[:, ::-1], axis=1)[:, ::-1] + fall
    row, column = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    row, column = row - size[0] / 2, column - size[1] / 2
    back = [row * across[0] + column * across[1] + reach, row * to_sun[0] + column * to_sun[1] + reach]
    covered = ndimage.map_coordinates(roof - turned, back, order=1, mode="nearest")
    return np.clip(1 - covered / softness, 0, 1).astype(np.float32)


def march(field: Heightfield, camera: Camera, near: float, far: float, steps: int, slack: float) -> Array:
    """Return the distance z at which each pixel's ray meets land; inf where it meets water or sky."""
    z = np.geomspace(near, far, steps).astype(np.float32)
    height = field.at(
        field.height, z[:, None] * camera.slopes()[None], np.broadcast_to(z[:, None], (steps, camera.width))
    )
    rise = np.where(height > 0, (height - camera.altitude) / z[:, None], -1e3)
    rise = np.maximum.accumulate(rise, axis=0)
    wanted = camera.elevations()
    distance = np.full((camera.height, camera.width), np.inf, np.float32)
    for column in range(camera.width):
        skyline = rise[:, column]
        after = np.searchsorted(skyline, wanted)
        hit = after < steps
        after = after[hit]
        before = np.maximum(after - 1, 0)
        part = (wanted[hit] - skyline[before]) / np.maximum(skyline[after] - skyline[before], 1e-9)
        reached = z[before] + (z[after] - z[before]) * np.clip(part, 0, 1)
        level = camera.altitude + wanted[hit] * reached
        distance[np.flatnonzero(hit), column] = np.where(level > -slack, reached, np.inf)
    return distance
