#!/usr/bin/env python3
"""Puts pictures side by side at the same height, such as before, style and after."""

import argparse
from pathlib import Path

from PIL import Image


def main() -> None:
    """Read the pictures' names and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--height", type=int, default=384, help="height in pixels (default: %(default)s)")
    parser.add_argument("--box", type=int, nargs=4, metavar=("LEFT", "TOP", "RIGHT", "BOTTOM"), help="part to show")
    parser.add_argument("--gap", type=int, default=12, help="white space between pictures in pixels")
    arguments = parser.parse_args()
    pictures = [Image.open(path).convert("RGB") for path in arguments.pictures]
    if arguments.box:
        pictures = [picture.crop(tuple(arguments.box)) for picture in pictures]
    pictures = [_to_height(picture, arguments.height) for picture in pictures]
    width = sum(picture.width for picture in pictures) + arguments.gap * (len(pictures) - 1)
    sheet, left = Image.new("RGB", (width, arguments.height), "white"), 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + arguments.gap
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(arguments.output, quality=92, subsampling=0)


def _to_height(picture: Image.Image, height: int) -> Image.Image:
    width = max(1, round(picture.width * height / picture.height))
    return picture.resize((width, height), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
