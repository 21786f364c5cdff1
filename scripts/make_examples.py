"""Draw the examples that ship with the project: a content picture, four style pictures, and label images for masks."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

from examples_art import regions
from examples_art.common import save_jpeg

PICTURES = {
    "lakeside": "content: a mountain lake at golden hour, made to look like a photograph",
    "swirls": "style: swirling thick oil strokes of a night sky",
    "mosaic": "style: stained glass with dark lead lines",
    "woodcut": "style: a print of carved lines in few inks",
    "pointillist": "style: dabs of pure, divided colour",
    "lakeside-regions": "label image: sky, land and water of the lake",
    "swirls-regions": "label image: sky and land of the swirls",
    "woodcut-regions": "label image: the woodcut as water",
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    listing = "\n".join(f"  {name:12} {about}" for name, about in PICTURES.items())
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\n\nThe pictures are drawn by code alone and are the same on every run:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="name", help="pictures to draw (default: all)")
    parser.add_argument("--out", type=Path, default=Path("examples"), help="folder to write to (default: %(default)s)")
    args = parser.parse_args(argv)
    unknown = [name for name in args.names if name not in PICTURES]
    if unknown:
        parser.error(f"no such picture: {', '.join(unknown)} (choose from {', '.join(PICTURES)})")
    return args


def main(argv: list[str] | None = None) -> int:
    """Draw the pictures asked for."""
    args = parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names or PICTURES:
        started = time.perf_counter()
        painting, _, is_label = name.partition("-")
        if is_label:
            path, image = args.out / f"{name}.png", getattr(regions, painting)()
            image.quantize(8).save(path, optimize=True)
        else:
            path, image = args.out / f"{name}.jpg", importlib.import_module(f"examples_art.{name}").draw()
            save_jpeg(image, path)
        seconds = time.perf_counter() - started
        print(f"{path}: {image.width}x{image.height}, {path.stat().st_size / 1000:.0f} kB, {seconds:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
