"""Encode films: MP4 with PyAV, GIF and WebP with Pillow. Pictures come one at a time."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from neural_style.errors import UsageError


class FilmFormat(NamedTuple):
    """How films of one kind are made."""

    longest: int
    """Most pixels of the longer side."""
    rate: float
    """Frames in a second."""
    multiple: int
    """What the sides must be multiples of."""
    encode: Callable[[Path, Iterator[Image.Image], Sequence[int], float], None]
    """Writes a film. It takes the path, RGB pictures of one size, how long each is shown, in frames, and the rate. It
    raises OSError if that fails."""


def check_can_encode(suffix: str) -> None:
    """Check that the package for a film is installed, without importing it.

    Args:
        suffix: of the film's name.

    Raises:
        UsageError: it is not installed.
    """
    if suffix.lower() == ".mp4" and importlib.util.find_spec("av") is None:
        others = " or ".join(other for other in FORMATS if other != ".mp4")
        raise UsageError(
            f"progress_film: expected PyAV for .mp4, which is not installed; pip install av, or give a name that ends "
            f"in {others}"
        )


def _encode_mp4(path: Path, pictures: Iterator[Image.Image], shown: Sequence[int], rate: float) -> None:
    """Write H.264 in 4:2:0, which every player shows, with the index at the front, as the web wants it."""
    import av

    try:
        with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
            stream: Any = None
            number = 0
            for picture, ticks in zip(pictures, shown, strict=True):
                if stream is None:
                    stream = container.add_stream("libx264", round(rate), options={"crf": "18", "preset": "veryfast"})
                    stream.width, stream.height = picture.size
                    stream.pix_fmt = "yuv420p"
                    stream.color_range, stream.colorspace, stream.color_primaries, stream.color_trc = 1, 1, 1, 1
                frame = av.VideoFrame.from_image(picture)
                frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
                for _ in range(ticks):
                    frame.pts = number
                    number += 1
                    container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except av.error.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error


def _encode_gif(path: Path, pictures: Iterator[Image.Image], shown: Sequence[int], rate: float) -> None:
    """Write a GIF. Each picture has its own 256 colors and is dithered, so the last one is as good as the first."""
    made = map(_with_palette, pictures)
    options: dict[str, Any] = {"duration": _milliseconds(shown, rate), "loop": 0, "optimize": False}
    next(made).save(path, "GIF", save_all=True, append_images=made, **options)


def _with_palette(picture: Image.Image) -> Image.Image:
    palette = picture.quantize(256, Image.Quantize.FASTOCTREE)  # the best palette here, and the fastest
    return picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)


def _encode_webp(path: Path, pictures: Iterator[Image.Image], shown: Sequence[int], rate: float) -> None:
    """Write a WebP. Pillow holds its pictures in memory, so they are small and few."""
    options: dict[str, Any] = {"duration": _milliseconds(shown, rate), "loop": 0, "quality": 85, "method": 2}
    next(pictures).save(path, "WEBP", save_all=True, append_images=pictures, **options)


def _milliseconds(shown: Sequence[int], rate: float) -> list[int]:
    return [round(ticks * 1000 / rate) for ticks in shown]


FORMATS = {
    ".mp4": FilmFormat(1280, 30, 2, _encode_mp4),
    ".gif": FilmFormat(480, 12.5, 1, _encode_gif),
    ".webp": FilmFormat(720, 12.5, 1, _encode_webp),
}
"""Suffix of a film's name -> how it is made."""
