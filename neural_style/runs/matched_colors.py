"""The colors of the inputs of a run: what `Config.color` changes before the run."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np

from neural_style.config.config import Config
from neural_style.images.color_matching import ColorMap, ColorMatching, Statistics, added, apply
from neural_style.images.picture import Picture
from neural_style.images.row_bands import row_bands
from neural_style.runs.style_pictures import PictureOnDisk, StylePicture

_log = logging.getLogger("neural_style")

_MOST_TINT = 2.0
"""Most levels between the channels of a gray."""


class MatchedColors:
    """Gives each style the colors of the content, by one map for all its pictures and all sizes of a run."""

    def __init__(self, matching: ColorMatching, content: Picture):
        """Prepare.

        Args:
            matching: how colors are matched.
            content: the content as read.
        """
        self._matching = matching
        self._wanted = matching.statistics(content.rgb, content.alpha)
        self._styles: dict[int, Statistics] = {}
        self._maps: dict[int, ColorMap] = {}

    def add(self, style: int, picture: Picture) -> None:
        """Add a picture as read to the statistics of a style, which is given by its index."""
        found = self._matching.statistics(picture.rgb, picture.alpha)
        before = self._styles.get(style)
        self._styles[style] = found if before is None else added(before, found)

    def applied(self, style: int, picture: StylePicture) -> StylePicture:
        """Return a picture of a style, as read, with its colors changed. One in memory is changed in place.

        Call it after all pictures of the style were added.
        """
        if style not in self._maps:
            self._maps[style] = self._matching.map(self._styles[style], self._wanted)
        change = self._maps[style]
        if isinstance(picture, PictureOnDisk):
            return dataclasses.replace(picture, colors=change)
        apply(change, picture.rgb, picture.rgb)
        return picture


def matching_of(config: Config) -> ColorMatching | None:
    """Return how colors are matched in a run; None if they are not."""
    if config.color == "none":
        return None
    return ColorMatching(config.color, config.color_space, config.color_transfer)


def finishing_of(config: Config, content: np.ndarray) -> ColorMatching | None:
    """Return how the colors of the finished picture of a run are matched with the content's; None if they are not.

    A gray content and styles with its colors still give faint colors, since Gram matrices hardly see them. So the
    result gets the content's color there as well, which is none.

    Args:
        config: the run.
        content: the content at the size of the result, float (height, width, 3), RGB of 0-255.
    """
    matching = matching_of(config)
    if matching is None or config.recolors_result:
        return matching
    return matching._replace(kind="luminance") if _is_gray(content) else None


def _is_gray(rgb: np.ndarray) -> bool:
    return all(np.ptp(rgb[rows], axis=-1).max() <= _MOST_TINT for rows in row_bands(*rgb.shape[:2]))


def seen_by_the_loss(config: Config, picture: Picture) -> Picture:
    """Return a picture other than a style as a run compares it or begins with it: gray with `--color luminance`."""
    matching = matching_of(config)
    if matching is None or matching.kind != "luminance" or not config.recolors_styles:
        return picture
    return Picture(matching.gray(picture.rgb), picture.alpha)
