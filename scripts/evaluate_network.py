"""Judge a network by its textures: each picture's look is painted from noise, without content, and compared with it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"  # what the program itself runs on
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from neural_style.networks.keras_import import quiet_import

with quiet_import():
    import tensorflow  # noqa: F401 - first, since what it logs when another module brings it in cannot be kept back

import numpy as np
from PIL import Image

from neural_style import Config, render
from neural_style.bench import judge
from neural_style.errors import NeuralStyleError
from neural_style.images.picture import resize, to_uint8
from neural_style.images.reading import read_image
from neural_style.networks import weights

EXAMPLES = ("swirls", "mosaic", "woodcut", "pointillist")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    folder = Path(__file__).resolve().parents[1] / "examples"
    parser = argparse.ArgumentParser(
        usage="%(prog)s WEIGHTS [--help] [--flag value ...]",
        description=f"{__doc__}\n\nPrints a line of JSON for each picture:\n"
        "  patches  sliced Wasserstein distance of 7x7 patches, the mean of three octaves; 0 is identical\n"
        "  grain    energy of the finest detail over the picture's own; 1 is right\n"
        "  style    with --judge: mean relative squared distance of the judge's Gram matrices; 0 is identical",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("weights", help="network to judge: builtin, imagenet, or a file")
    parser.add_argument(
        "--pictures",
        nargs="+",
        type=Path,
        default=[folder / f"{name}.jpg" for name in EXAMPLES],
        help=f"what to paint the look of (default: {', '.join(EXAMPLES)} of examples/)",
    )
    parser.add_argument("--judge", help="network to judge by: imagenet, or a file; it has no part in training")
    parser.add_argument("--width", type=int, default=256, help="pixels (default: %(default)s)")
    parser.add_argument("--iterations", type=int, default=200, help="evaluations of L-BFGS (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder for the textures; files there are replaced")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Paint and compare."""
    args = parse_args(argv)
    if args.out and args.out.exists() and not args.out.is_dir():
        print(f"{Path(__file__).name}: --out: expected a folder, got the file {args.out}", file=sys.stderr)
        return 2
    rows = []
    try:
        distance = style_judge(args.judge) if args.judge else None
        for path in args.pictures:
            texture = synthesize(args.weights, path, args.width, args.iterations)
            target = _load(path, texture.shape[1], texture.shape[0])
            row = {
                "picture": path.stem,
                "patches": patch_distance(texture, target),
                "grain": judge.grain_energy(texture) / judge.grain_energy(target),
            }
            if distance:
                row["style"] = distance(texture, target)
            rows.append(row)
            print(json.dumps({k: v if isinstance(v, str) else round(v, 4) for k, v in row.items()}), flush=True)
            if args.out:
                args.out.mkdir(parents=True, exist_ok=True)
                Image.fromarray(texture).save(args.out / f"{path.stem}.png")
    except NeuralStyleError as error:
        print(f"{Path(__file__).name}: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{Path(__file__).name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{Path(__file__).name}: stopped", file=sys.stderr)
        return 130
    names = [name for name in rows[0] if name != "picture"]
    print(
        json.dumps(
            {"picture": "mean"} | {name: round(float(np.mean([row[name] for row in rows])), 4) for name in names}
        )
    )
    return 0


def synthesize(network: str, path: Path, width: int, iterations: int) -> np.ndarray:
    """Paint the look of a picture from noise, uint8 (height, width, 3), its aspect kept."""
    settings = {
        "loss": "athalye",
        "content_weight": 0.0,
        "initial_noiseblend": 1.0,
        "optimizer": "scipy",
        "iterations": iterations,
        "scales": "1",
        "precision": "float32",
    }
    return render(Config(str(path), (str(path),), weights=network, width=width, **settings))[..., :3]


def patch_distance(image: np.ndarray, target: np.ndarray, seed: int = 0) -> float:
    """Sliced Wasserstein distance (Rabin et al., 2011) of 7×7 patches, at full, half and quarter size.

    Args:
        image: uint8 (height, width, 3).
        target: the same shape.
        seed: of the 128 directions.

    Returns:
        The mean over the octaves of the distance over the deviation of the target's patches.
    """
    rng = np.random.default_rng(seed)
    distances = []
    for octave in range(3):
        pair = []
        for picture in (image, target):
            small = np.asarray(Image.fromarray(picture).reduce(2**octave), np.float32)
            windows = np.lib.stride_tricks.sliding_window_view(small, (7, 7), (0, 1))
            pair.append(windows.reshape(-1, 147))
        directions = rng.standard_normal((147, 128)).astype(np.float32) / np.sqrt(147)
        ours, theirs = (np.sort(patches @ directions, axis=0) for patches in pair)
        distances.append(np.abs(ours - theirs).mean() / (pair[1] @ directions).std(0).mean())
    return float(np.mean(distances))


def style_judge(network: str) -> Callable[[np.ndarray, np.ndarray], float]:
    """A function of two uint8 pictures, an image and its target, by a network's Gram matrices G and A.

    It gives the mean over `judge.STROKE_LAYERS` of Σ(G - A)² / ΣA².
    """
    from neural_style.losses.moments import moments
    from neural_style.networks.vgg19 import build_vgg19
    from neural_style.vgg19_spec import Variant

    loaded = weights.load(network, judge.STROKE_LAYERS)
    model = build_vgg19(loaded, judge.STROKE_LAYERS, Variant(rounding="down"))

    def grams(picture: np.ndarray) -> list[np.ndarray]:
        maps = model((picture.astype(np.float32) - loaded.mean)[np.newaxis])
        return [
            np.asarray(moments(maps[layer]).second) for layer in judge.STROKE_LAYERS
        ]  # any factor of G and A cancels

    def distance(image: np.ndarray, target: np.ndarray) -> float:
        pairs = zip(grams(image), grams(target), strict=True)
        return float(np.mean([((ours - theirs) ** 2).sum() / (theirs**2).sum() for ours, theirs in pairs]))

    return distance


def _load(path: Path, width: int, height: int) -> np.ndarray:
    """A picture as the program reads it, uint8."""
    return to_uint8(resize(read_image(path), width, height).rgb)


if __name__ == "__main__":
    sys.exit(main())
