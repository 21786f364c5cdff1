"""Options: what is painted, in which style, and where the result goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

from neural_style import vgg19_spec
from neural_style.config.defaults import LEFT_TO_NETWORK
from neural_style.config.fields import option

PictureSource = Any
"""A path, an `EncodedPicture`, a `PIL.Image.Image`, or an array that `images.reading.read_image` accepts."""


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """What is painted, in which style, and where the result goes."""

    content: PictureSource | None = option(
        "Pictures",
        "The picture to paint: a photograph whose shapes are kept. Without it, --size makes a texture of the styles. "
        "On the command line, - reads it from standard input.",
        None,
        picture=True,
        required="required without `--size`",
    )
    styles: Sequence[PictureSource] = option(
        "Pictures",
        "One or more pictures whose look the result takes on. A folder counts as one style: all its pictures together. "
        "With --style_weight 0, there are none: the content is rebuilt from its features. On the command line, - reads "
        "a picture from standard input, if no other is read from there.",
        (),
        picture=True,
        required="required but with `--style_weight 0`",
    )
    size: str | tuple[int, int] | None = option(
        "Pictures",
        "Width and height in pixels of a texture, such as 2048x1024: a picture in the styles without any content. In "
        "place of --content.",
        None,
    )
    seamless: bool = option(
        "Pictures",
        "Textures: the result continues from its right edge to its left one and from its lower edge to its upper one, "
        "so copies of it can be laid side by side. Its sides must be multiples of 16 px with the default layers.",
        False,
    )
    output: str | None = option(
        "Pictures",
        "Where to write the result (.png, .jpg, .webp, .tif or .bmp). By default <content>-<style>.png in the current "
        "folder, texture-<style>.png for a texture, with a number added if that file exists. - writes a PNG to "
        "standard output.",
        None,
        path=True,
    )
    overwrite: bool = option("Pictures", "Replace existing files.", False)
    width: int | None = option(
        "Pictures",
        "Width of the result in pixels; the aspect ratio is kept. By default the width of the content.",
        None,
        bounds=f">= {vgg19_spec.MIN_SIDE}",
    )
    style_scales: tuple[float, ...] | None = option(
        "Pictures",
        "Width of each style picture as a multiple of the result's width, or of what --style_fit makes of it, one "
        "number per style. Larger values give larger brush strokes. By default 1 for each.",
        None,
        bounds="> 0",
    )
    style_fit: Literal["width", "longest", "stretch", "original"] | None = option(
        "Pictures",
        "Size of a style picture at a style scale of 1: width makes it as wide as the result, longest makes its longer "
        "side as long as the result's longer side, stretch resizes it to width and height of the result, and original "
        "leaves it as large as it is. All but stretch keep its aspect ratio. By default width, and original for a "
        "texture.",
        None,
    )
    style_rotations: tuple[int, ...] | None = option(
        "Pictures",
        "Degrees (90, 180, 270) by which each style picture is also turned, counterclockwise. The turned copies are "
        "further examples of the style.",
        None,
    )
    init: PictureSource | None = option(
        "Pictures",
        "What to start from: content, recolored (the content in the colors of the styles), noise, style_colors (noise "
        "in these colors), gray (the network's mean pixel everywhere), style (the first style picture, resized to the "
        "result), or the path of a picture. "
        "noise, style_colors and gray show no forms, so they are painted from a coarse size, without a preview. By "
        "default --initial and --initial_noiseblend decide; without them, a texture starts from style_colors, and a "
        "reconstruction (--style_weight 0) from noise.",
        None,
        picture=True,
    )
    initial: PictureSource | None = option(
        "Pictures", "Picture to start from, resized to the size of the result.", None, picture=True
    )
    initial_noiseblend: float | None = option(
        "Pictures",
        "Share of noise in the start image: 1 is noise alone, 0 is the initial picture, or the content if there is no "
        "initial picture. Beside --initial or --init it must be less than 1, but for --init noise. By default "
        f"{LEFT_TO_NETWORK['initial_noiseblend']:g}, or without an initial picture what the weights file says.",
        None,
        bounds="0 to 1",
    )
    noise_scale: float = option(
        "Pictures",
        "Standard deviation of the noise around the mean pixel, in gray levels (0-255).",
        0.256,
        bounds=">= 0",
    )
    preserve_colors: bool = option(
        "Pictures", "Keep the content's colors: only the lightness of the result is painted.", False
    )
    opacity: float = option(
        "Pictures",
        "Share of the painting in the result; the rest is the photo, as if the painting were laid over it. It is "
        "applied after the run and changes nothing else. --strength changes the painting itself.",
        1.0,
        bounds="0 to 1",
    )
    bit_depth: int = option("Pictures", "Bits per channel of the result, 8 or 16. Only PNG and TIFF can have 16.", 8)
    max_pixels: int = option(
        "Pictures",
        "Most pixels that an input picture, the result, or a style picture at its scale may have.",
        250_000_000,
        bounds=">= 1",
    )
