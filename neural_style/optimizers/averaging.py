"""The exponential average of the images that an optimizer goes through."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from neural_style.optimizers.base import Arrays
from neural_style.optimizers.stepping import chunks
from neural_style.optimizers.vectors import Image, scalar


class Average:
    """Exponential average with the bias correction of Adam (Kingma and Ba, arXiv:1412.6980, section 3).

    With v ← d v + (1 - d) x from v = 0, it is v / (1 - dⁿ) after n images, as in crowsonkb/style-transfer-pytorch. The
    corrected average a itself is kept: a ← a + w (x - a) with w = (1 - d) / (1 - dⁿ), which is the same.

    Attributes:
        image: the average so far, of the kind of the images; None before the first.
        count: number of images in it.
    """

    def __init__(self, decay: float):
        """Begin.

        Args:
            decay: d, at least 0 and less than 1.
        """
        self._decay = decay
        self.image: Image | None = None
        self.count = 0

    def add(self, image: Image) -> Image:
        """Take one more image, which stays as it is.

        Returns:
            The average. If the image is an array, that is an array of its own, which the next call changes.
        """
        self.count += 1
        in_place = isinstance(image, np.ndarray)
        if self.image is None:
            self.image = np.array(image) if in_place else tf.convert_to_tensor(image)
            return self.image
        weight = (1 - self._decay) / (1 - self._decay**self.count)
        if not in_place:
            self.image = self.image + scalar(weight) * (image - self.image)
            return self.image
        self.image = np.asarray(self.image)
        if not self.image.flags.writeable:  # it was a tensor before memory became short
            self.image = np.array(self.image)
        for average, new in chunks(self.image, np.asarray(image)):
            average[:] += np.float32(weight) * (new - average)
        return self.image

    def restart(self) -> None:
        """Forget all images."""
        self.image, self.count = None, 0

    def to_arrays(self) -> Arrays:
        """Return the average as arrays, with the number of images; none before the first image.

        The next image may change what is returned.
        """
        return {} if self.image is None else {"image": self.image, "count": np.array(self.count, np.int64)}

    def take_arrays(self, arrays: Arrays, *, in_place: bool) -> None:
        """Continue where `to_arrays` was called.

        Args:
            arrays: its result.
            in_place: whether images are arrays from now on.
        """
        self.restart()
        if arrays:
            self.image = np.array(arrays["image"]) if in_place else tf.constant(arrays["image"])
            self.count = int(arrays["count"])
