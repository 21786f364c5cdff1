#!/usr/bin/env python3
"""Compares pictures of one photograph painted at several sizes: whether the small ones predict the large ones."""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

STROKES = (2.0, 8.0)
"""Deviations, in pixels, of the two Gaussian filters between which strokes are seen."""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\n\nEvery picture is reduced to the width of its row's first and compared with it, and "
        "a line of JSON is printed:\n"
        "  rmse      root mean square of the difference in grey levels of 0-255\n"
        "  ssim      structural similarity of the lightness; 1 is identical\n"
        "  change    correlation of what was changed in the photograph; 1 is identical\n"
        "  photo     root mean square of that change in grey levels\n"
        f"  strokes   deviation of the lightness between blurs of {STROKES[0]:g} and {STROKES[1]:g} px, in levels\n"
        "  gradient  mean gradient of the lightness in grey levels a pixel",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photo", type=Path)
    parser.add_argument("--row", nargs="+", type=Path, action="append", required=True, help="pictures of a row")
    parser.add_argument("--sheet", type=Path, help="JPEG file to show the rows in")
    parser.add_argument(
        "--crop", nargs=4, type=float, metavar=("LEFT", "TOP", "RIGHT", "BOTTOM"), help="part shown, in shares of 1"
    )
    parser.add_argument("--cell", type=int, default=320, help="width of a picture on the sheet (default: %(default)s)")
    return parser.parse_args()


def main() -> None:
    """Compare, and draw the sheet."""
    args = parse_args()
    for row in args.row:
        width = Image.open(row[0]).width
        photo, first = _reduced(args.photo, width), _reduced(row[0], width)
        for path in row:
            print(json.dumps({"picture": path.name, **compare(_reduced(path, width), first, photo)}))
    if args.sheet:
        sheet(args.row, args.crop or (0, 0, 1, 1), args.cell).save(args.sheet, quality=85)


def compare(picture: np.ndarray, first: np.ndarray, photo: np.ndarray) -> dict[str, float]:
    """The measures that the help explains, of float32 (height, width, 3) in 0-255, all of one size."""
    from skimage.metrics import structural_similarity

    light, other = picture.mean(-1), first.mean(-1)
    changes = (picture - photo).ravel(), (first - photo).ravel()
    fine, coarse = (ndimage.gaussian_filter(light, deviation) for deviation in STROKES)
    measures = {
        "rmse": np.sqrt(np.square(picture - first).mean()),
        "ssim": structural_similarity(light, other, data_range=255),
        "change": np.corrcoef(*changes)[0, 1],
        "photo": np.sqrt(np.square(changes[0]).mean()),
        "strokes": (fine - coarse).std(),
        "gradient": np.hypot(*np.gradient(light)).mean(),
    }
    return {name: round(float(value), 3) for name, value in measures.items()}


def sheet(rows: list[list[Path]], crop: tuple[float, float, float, float], cell: int, gap: int = 8) -> Image.Image:
    """The same part of all pictures, each `cell` pixels wide."""
    height = 0
    made = Image.new("RGB", ((cell + gap) * max(map(len, rows)) - gap, 10_000), "white")
    for row in rows:
        for column, path in enumerate(row):
            picture = Image.open(path).convert("RGB")
            part = picture.crop([round(a * b) for a, b in zip(crop, 2 * picture.size, strict=True)])
            part = part.resize((cell, round(part.height * cell / part.width)), Image.Resampling.LANCZOS)
            made.paste(part, (column * (cell + gap), height))
        height += part.height + gap
    return made.crop((0, 0, made.width, height - gap))


def _reduced(path: Path, width: int) -> np.ndarray:
    picture = Image.open(path).convert("RGB")
    size = width, round(picture.height * width / picture.width)
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS), np.float32)


if __name__ == "__main__":
    main()
