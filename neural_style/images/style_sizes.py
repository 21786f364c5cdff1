"""The size that a run gives to a style picture. Arithmetic only."""

from __future__ import annotations

from typing import Literal, NamedTuple

from neural_style.vgg19_spec import MIN_SIDE

Size = tuple[int, int]
"""Width and height in pixels."""


class StyleFit(NamedTuple):
    """How a style picture is resized for a result."""

    rule: Literal["width", "longest", "stretch", "original"] = "width"
    """As `Config.style_fit`."""
    scale: float = 1.0
    """As one number of `Config.style_scales`."""

    def size(self, result: Size, style: Size) -> Size:
        """Return the size of a style picture for a result. Its sides may be shorter than the network needs.

        Args:
            result: size of the result.
            style: size of the style picture as read; for the rules that keep the aspect ratio, in any unit.
        """
        if self.rule == "original":
            return self.of(result, style).size(result, style)
        width, height = result
        if self.rule == "stretch":
            return round(width * self.scale), round(height * self.scale)
        side = round((max(result) if self.rule == "longest" else width) * self.scale)
        if self.rule == "longest" and style[1] > style[0]:
            return max(1, round(style[0] * side / style[1])), side
        return side, max(1, round(style[1] * side / style[0]))

    def of(self, result: Size, style: Size) -> StyleFit:
        """Return the rule for one style picture: that of `original` becomes a width relative to the result's.

        So the picture shrinks in proportion at the coarse sizes of a run.

        Args:
            result: size of the result.
            style: size of the style picture as read.
        """
        return StyleFit("width", self.scale * style[0] / result[0]) if self.rule == "original" else self

    def size_at_least(self, result: Size, style: Size, full: Size, least: int = MIN_SIDE) -> Size:
        """Return the size of a style picture for a smaller result, with no side shorter than `least`.

        A picture that would become smaller than that is treated as if its own scale were larger.

        Args:
            result: size of the smaller result.
            style: size of the style picture as read.
            full: size of the style picture for the full result. Its sides are at least `least`.
            least: least side in pixels.
        """
        size = self.size(result, style)
        if min(size) >= least:
            return size
        factor = least / min(full)
        width = round(full[0] * factor)
        height = round(full[1] * factor) if self.rule == "stretch" else round(style[1] * width / style[0])
        return max(least, width), max(least, height)
