"""The variables that an optimizer changes: pixels, or frequencies. A layer between an optimizer and an objective.

The optimizer knows a function of variables z, and the objective a function of an image x. Here x = x₀ + T z, with a
linear T. By the chain rule, the gradient by z is the transpose of T applied to the gradient by x. How fast an optimizer
gets ahead depends on T; where the loss is lowest does not.

All runs op by op: traced functions would be traced anew for other sizes.
"""

from __future__ import annotations

import functools
import math
from typing import Any, Protocol, TypeAlias

import numpy as np
import tensorflow as tf

from neural_style.optimizers.vectors import Image

POWER = 0.5
"""Weights of frequencies fall with the frequency to this power."""

CORNER = 1 / 64
"""Frequency in cycles per pixel far below which all weights are alike."""

_LARGEST_MATRIX = 512
"""Longest side in pixels that is transformed by a matrix, which takes less time there than a fast transform."""

Matrix: TypeAlias = tf.Tensor | None


class Variables(Protocol):
    """What an optimizer changes, in place of an image (1, height, width, channels) of float32."""

    origin: Image
    """The image that they were made for."""
    start: Image
    """Its variables."""

    def image(self, values: Image) -> Image:
        """Return the image of variables."""

    def gradient(self, of_image: Image) -> Image:
        """Return the gradient of a loss by the variables, given that by the image."""

    def resized(self, gradient: Image, degree: int) -> tf.Tensor:
        """Return about what a gradient at another size of the same picture would be at this size.

        Where the loss is a mean over pixels, its derivative by one of n pixels goes with 1 / n.

        Args:
            gradient: by the variables of an image (1, other height, other width, channels), to the power `degree`.
            degree: 1 or 2.
        """


class Pixels:
    """The pixels themselves. An image may be an array that the optimizer overwrites."""

    def __init__(self, image: Image):
        """Begin at an image."""
        self.origin = self.start = image

    def image(self, values: Image) -> Image:
        """Return the variables, which are the image."""
        return values

    def gradient(self, of_image: Image) -> Image:
        """Return the gradient as it is."""
        return of_image

    def resized(self, gradient: Image, degree: int) -> tf.Tensor:
        """Return a gradient at another size, resized to this one; see `Variables`."""
        _, height, width, _ = self.start.shape
        return tf.image.resize(gradient, (height, width), "bicubic") * _share(gradient, self.start) ** degree


class Frequencies:
    """Amplitudes of cosines, weighted so that a step changes large forms more than grain.

    x = x₀ + C⁻¹(w z), where C is the orthonormal two-dimensional cosine transform (DCT-II) of each channel, w is
    `frequency_weights`, and x₀ is the image that the variables were made for. Their start is 0, so it is exact. Unlike
    a Fourier transform, this one does not join opposite edges.

    To an optimizer such as L-BFGS that does not depend on rotations of its variables, they are a preconditioner of
    pixels: C⁻¹ w² C.
    """

    def __init__(self, image: Image):
        """Begin at an image."""
        self.origin = tf.convert_to_tensor(image)
        _, height, width, _ = self.origin.shape
        self._weights = tf.constant(frequency_weights(height, width)[np.newaxis, :, :, np.newaxis])
        self._matrices = _matrix(height), _matrix(width)
        self.start = tf.zeros_like(self.origin)

    def image(self, values: Image) -> tf.Tensor:
        """Return the image of amplitudes, (1, height, width, channels)."""
        weighted = tf.convert_to_tensor(values) * self._weights
        return self.origin + _transformed(tf.signal.idct, weighted, *self._matrices, inverse=True)

    def gradient(self, of_image: Image) -> tf.Tensor:
        """Return the gradient by the amplitudes, of the image's shape."""
        amplitudes = _transformed(tf.signal.dct, tf.convert_to_tensor(of_image), *self._matrices, inverse=False)
        return self._weights * amplitudes

    def resized(self, gradient: Image, degree: int) -> tf.Tensor:
        """Return a gradient at another size for this one; see `Variables`.

        Row i and column j have as many waves across the picture at every size. The same picture with n times as many
        pixels has √n times the amplitudes, so a gradient by them is 1 / √n as large.
        """
        _, height, width, _ = gradient.shape
        _, rows, columns, _ = self.start.shape
        before = frequency_weights(height, width)[np.newaxis, :, :, np.newaxis]
        kept = (gradient / before**degree)[:, :rows, :columns]
        padded = tf.pad(kept, [[0, 0], [0, max(rows - height, 0)], [0, max(columns - width, 0)], [0, 0]])
        return padded * self._weights**degree * _share(gradient, self.start) ** (degree / 2)


class Filtered(Frequencies):
    """An image that is filtered: frequencies, turned back into pixels.

    x = x₀ + C⁻¹ w C z. For an optimizer that does not depend on rotations, this is the same as `Frequencies`, with
    twice the transforms. Adam does depend on them. It steps alike along every axis, and steps in all amplitudes add up
    at the edges of a picture, where all cosines are ±1.
    """

    def image(self, values: Image) -> tf.Tensor:
        """Return the image of variables, (1, height, width, channels)."""
        return super().image(_transformed(tf.signal.dct, tf.convert_to_tensor(values), *self._matrices, inverse=False))

    def gradient(self, of_image: Image) -> tf.Tensor:
        """Return the gradient by the variables, of the image's shape."""
        return _transformed(tf.signal.idct, super().gradient(of_image), *self._matrices, inverse=True)

    def resized(self, gradient: Image, degree: int) -> tf.Tensor:
        """Return a gradient at another size, resized to this one as that by pixels; see `Variables`."""
        return Pixels(self.start).resized(gradient, degree)


class PeriodicFiltered(Filtered):
    """An image that is filtered in the Fourier domain, which joins opposite edges, as a seamless image does.

    x = x₀ + F⁻¹ w F z, with the discrete Fourier transform F and the same weights by frequency as `Frequencies`. The
    filter is symmetric, so its transpose is itself.
    """

    def __init__(self, image: Image):
        """Begin at an image."""
        self.origin = tf.convert_to_tensor(image)
        _, height, width, _ = self.origin.shape
        self._waves = tf.constant(periodic_weights(height, width), tf.complex64)
        self.start = tf.zeros_like(self.origin)

    def image(self, values: Image) -> tf.Tensor:
        """Return the image of variables, (1, height, width, channels)."""
        return self.origin + self._filtered(values)

    def gradient(self, of_image: Image) -> tf.Tensor:
        """Return the gradient by the variables, of the image's shape."""
        return self._filtered(of_image)

    def _filtered(self, values: Image) -> tf.Tensor:
        channels = tf.transpose(tf.convert_to_tensor(values), [0, 3, 1, 2])
        size = channels.shape[-2:]
        waves = tf.signal.rfft2d(channels) * self._waves
        return tf.transpose(tf.signal.irfft2d(waves, size), [0, 2, 3, 1])


def _share(before: Image, after: Image) -> np.float32:
    """Return the ratio of the pixels of two images (1, height, width, channels)."""
    return np.float32(math.prod(before.shape) / math.prod(after.shape))


@functools.lru_cache(maxsize=2)
def frequency_weights(height: int, width: int) -> np.ndarray:
    """Return the weights of the frequencies of an image: (f + `CORNER`)^-`POWER`, with a mean square of 1.

    Returns:
        Float32 (height, width). Row i and column j are those of the frequency f = √((i / 2 height)² + (j / 2 width)²)
        in cycles per pixel.
    """
    rows, columns = (np.arange(side) / (2 * side) for side in (height, width))
    weights = (np.hypot(rows[:, np.newaxis], columns) + CORNER) ** -POWER
    weights = (weights / np.sqrt(np.mean(weights**2))).astype(np.float32)
    weights.flags.writeable = False  # it is remembered
    return weights


@functools.lru_cache(maxsize=2)
def periodic_weights(height: int, width: int) -> np.ndarray:
    """Return the weights of `PeriodicFiltered`: (f + `CORNER`)^-`POWER`, with a mean square of 1 over all frequencies.

    Returns:
        Float32 (height, width // 2 + 1), for the real Fourier transform.
    """
    rows, columns = np.fft.fftfreq(height), np.fft.fftfreq(width)
    weights = (np.hypot(rows[:, np.newaxis], columns) + CORNER) ** -POWER
    half = (weights / np.sqrt(np.mean(weights**2)))[:, : width // 2 + 1].astype(np.float32)
    half.flags.writeable = False  # it is remembered
    return half


def _transformed(fast: Any, image: tf.Tensor, rows: Matrix, columns: Matrix, inverse: bool) -> tf.Tensor:
    """Transform both sides of an image (1, height, width, channels), by their matrices, or by `fast` without one."""
    by_row = _along_last(fast, tf.transpose(image, [0, 3, 1, 2]), columns, inverse)
    by_column = _along_last(fast, tf.transpose(by_row, [0, 1, 3, 2]), rows, inverse)
    return tf.transpose(by_column, [0, 3, 2, 1])


def _along_last(fast: Any, values: tf.Tensor, matrix: Matrix, inverse: bool) -> tf.Tensor:
    if matrix is None:
        return fast(values, norm="ortho")
    return tf.matmul(values, matrix, transpose_b=not inverse)


def _matrix(side: int) -> Matrix:
    """Return the orthonormal DCT-II as a matrix, float32 (side, side); None where a fast transform takes less time."""
    if side > _LARGEST_MATRIX:
        return None
    frequencies, places = np.arange(side)[:, np.newaxis], np.arange(side) + 0.5
    waves = np.cos(np.pi / side * frequencies * places) * np.sqrt(2 / side)
    waves[0] *= np.sqrt(0.5)
    return tf.constant(waves, tf.float32)
