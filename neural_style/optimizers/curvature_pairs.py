"""The curvature pairs of L-BFGS, and the direction of descent that they make of a gradient."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from neural_style.optimizers.base import Arrays
from neural_style.optimizers.vectors import dot, scalar

_BLOCK = 2
"""Pairs in a block."""

_BLOCK_NAME = "pairs_{}"
"""Of the array of a block, with its number."""


def _no_products() -> np.ndarray:
    return np.zeros((0, 0))


@dataclass
class CurvaturePairs:
    """The last pairs (s, y): steps s of the image, and the changes y of the gradient that each brought.

    The two-loop recursion combines vectors by factors that depend on their dot products alone. So these are kept, as
    plain numbers. A direction then reads the vectors only twice, to multiply them by what is new and to combine them,
    where the recursion itself would read them five times. To be read fast they lie in blocks. A block is only ever
    dropped as a whole, since TensorFlow would copy all of it to replace a row. So there may be one pair more than used.

    All functions run op by op: traced ones would be traced anew for each number of blocks.
    """

    blocks: list[tf.Tensor] = field(default_factory=list)
    """Oldest first, each float32 (2 · pairs, entries) with the rows s, y, s, y …"""
    products: np.ndarray = field(default_factory=_no_products)
    """Dot products of all rows with each other, float64 (rows, rows); those of the newest pair may be missing."""
    curvature: float = 0.0
    """s · y of the newest pair."""

    def __len__(self) -> int:
        """Return how many pairs there are."""
        return sum(block.shape[0] for block in self.blocks) // 2

    def rows(self) -> list[tf.Tensor]:
        """Return s, y, s, y …, oldest first, each (entries,)."""
        return [row for block in self.blocks for row in tf.unstack(block)]

    def clear(self) -> None:
        """Drop all pairs."""
        self.blocks, self.products = [], _no_products()

    def add(self, pair: tf.Tensor, curvature: float, history_size: int) -> None:
        """Add a pair, unless the loss does not curve upwards along it (s · y ≤ 0). Drop the oldest that is not needed.

        Args:
            pair: float32 (2, entries) with the rows s, y.
            curvature: s · y.
            history_size: how many pairs are used.
        """
        if not curvature > 0:
            return
        self._multiply([])
        if [block.shape[0] for block in self.blocks[-_BLOCK:]] == [2] * _BLOCK:
            self.blocks[-_BLOCK:] = [tf.concat(self.blocks[-_BLOCK:], axis=0)]
        self.blocks.append(pair)
        self.curvature = curvature
        first = self.blocks[0].shape[0]
        if 2 * len(self) - first >= 2 * history_size:
            del self.blocks[0]
            self.products = self.products[first:, first:]

    def direction(self, gradient: tf.Tensor, history_size: int) -> tuple[tf.Tensor, float]:
        """Return the direction of descent at a gradient, of its shape, and the derivative of the loss along it.

        There must be a pair.
        """
        square = float(dot(gradient, gradient))
        flat = tf.reshape(gradient, [1, -1])
        of_gradient = self._multiply([flat])
        factors, factor = self._two_loop_recursion(of_gradient, history_size)
        ends = np.cumsum([block.shape[0] for block in self.blocks])
        weights = [tf.constant(part[np.newaxis], tf.float32) for part in np.split(factors, ends[:-1])]
        parts = [tf.matmul(weight, block) for weight, block in zip(weights, self.blocks, strict=True)]
        direction = tf.add_n([*parts, scalar(factor) * flat])  # (1, entries)
        return tf.reshape(direction, gradient.shape), float(factors @ of_gradient + factor * square)

    def _multiply(self, vectors: list[tf.Tensor]) -> np.ndarray:
        """Complete `products`, and multiply all rows by at most one vector (1, entries).

        Returns:
            The dot products of the rows with the vector.
        """
        known = len(self.products)
        news = [self.blocks[-1]] if known < 2 * len(self) else []
        if not news + vectors:
            return np.zeros(0)
        left = tf.concat(news + vectors, axis=0)
        parts = [tf.matmul(left, block, transpose_b=True) for block in self.blocks]
        products = tf.concat(parts, axis=1).numpy().astype(np.float64)
        if news:
            self.products = np.pad(self.products, (0, 2))
            self.products[known:] = products[:2]
            self.products[:, known:] = products[:2].T
            self.products[known, known + 1] = self.products[known + 1, known] = self.curvature  # which is above 0
        return products[-1]

    def _two_loop_recursion(self, of_gradient: np.ndarray, history_size: int) -> tuple[np.ndarray, float]:
        """Run Nocedal and Wright's algorithm 7.4 for the negative gradient -g, in factors of the rows and of g.

        From the newest pair to the oldest: α = s · q / s · y, q ← q - α y, beginning with q = -g. Then q ← γ q with
        γ = s · y / y · y of the newest pair (their equation 7.20). From the oldest to the newest: β = y · q / s · y,
        q ← q + (α - β) s.

        Args:
            of_gradient: dot products of the rows with g.
            history_size: how many pairs to use.

        Returns:
            Factors of the rows, and of g, in the direction q.
        """
        products, factors, factor = self.products, np.zeros(len(self.products)), -1.0
        steps = range(len(products) - 2, -1, -2)[:history_size]  # rows of s, newest first; row + 1 is its y
        alphas = {}
        for step in steps:
            alphas[step] = (products[step] @ factors + factor * of_gradient[step]) / products[step, step + 1]
            factors[step + 1] -= alphas[step]
        gamma = products[steps[0], steps[0] + 1] / products[steps[0] + 1, steps[0] + 1]
        factors, factor = factors * gamma, factor * gamma
        for step in reversed(steps):
            beta = (products[step + 1] @ factors + factor * of_gradient[step + 1]) / products[step, step + 1]
            factors[step] += alphas[step] - beta
        return factors, factor

    def to_arrays(self) -> Arrays:
        """Return the pairs as arrays: the blocks as they are, since sums round otherwise in other blocks."""
        blocks: Arrays = {_BLOCK_NAME.format(index): block for index, block in enumerate(self.blocks)}
        return {**blocks, "pair_products": self.products.copy(), "curvature": np.array(self.curvature)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> CurvaturePairs:
        """Return the pairs that `to_arrays` made the arrays of."""
        pairs = cls(products=np.array(arrays["pair_products"]), curvature=float(arrays["curvature"]))
        while (name := _BLOCK_NAME.format(len(pairs.blocks))) in arrays:
            pairs.blocks.append(tf.constant(arrays[name]))
        return pairs


def new_pair(
    image: tf.Tensor, image_before: tf.Tensor, gradient: tf.Tensor, gradient_before: tf.Tensor
) -> tuple[tf.Tensor, float]:
    """Return a pair, float32 (2, entries) with the rows s, y, and s · y."""
    step, change = image - image_before, gradient - gradient_before
    return tf.stack([tf.reshape(step, [-1]), tf.reshape(change, [-1])]), float(dot(step, change))
