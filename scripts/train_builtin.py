"""Train the built-in network: VGG19 filters that learn from generated pictures and a few free photographs.

The recipe is told in docs/builtin-network.md. Runs on any backend of Keras 3 (KERAS_BACKEND); goes on from its last
checkpoint when called again with the same flags.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import keras
import numpy as np
from builtin_training.crops import Crops, prefetched
from builtin_training.export import write
from builtin_training.network import RESTORATION, SEEING, Trainee
from builtin_training.photos import examples, photographs
from builtin_training.pictures import generate

CHECKPOINT = "checkpoint.weights.h5"
"""Its name in a run's folder."""

_NO_PART_IN_TRAINING = ("workdir", "save_minutes", "skip_evaluation")

LOG_EVERY = 50
"""Steps between lines of the log, each of which is a mean over them."""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--workdir", type=Path, default=Path("out/train"), help="folder of checkpoint, log and result")
    parser.add_argument("--steps", type=int, default=5500, help="steps of training")
    parser.add_argument("--pairs", type=int, default=64, help="pairs of crops in a step")
    parser.add_argument("--side", type=int, default=48, help="height and width of a crop in pixels, a multiple of 8")
    parser.add_argument("--sources", type=int, default=4, help="pictures that a step's crops come from")
    parser.add_argument("--noise", type=float, default=0.12, help="most noise added to a crop, where white is 1")
    parser.add_argument("--pictures", type=int, default=1000, help="pictures to generate")
    parser.add_argument("--redundancy", type=float, default=0.0, help="weight of the loss against alike channels")
    parser.add_argument(
        "--restoration", type=float, default=RESTORATION[SEEING], help=f"weight of predicting pixels from {SEEING}"
    )
    parser.add_argument("--start", type=Path, help="checkpoint of another run, to begin with")
    parser.add_argument("--learning_rate", type=float, default=1.5e-3, help="highest step size of AdamW")
    parser.add_argument("--dtype", default="mixed_bfloat16", help="Keras's dtype policy")
    parser.add_argument("--seed", type=int, default=0, help="of pictures, crops and first weights")
    parser.add_argument("--save_minutes", type=float, default=5, help="minutes between checkpoints")
    parser.add_argument("--skip_evaluation", action="store_true", help="do not judge the result by its textures")
    args = parser.parse_args(argv)
    if args.side % 8 or not 16 <= args.side <= 256:
        parser.error(f"--side: expected a multiple of 8, from 16 to 256, got {args.side}")
    if args.pairs < 8:
        parser.error(f"--pairs: expected at least 8, got {args.pairs}; with fewer there is little to tell apart")
    if args.start and not args.start.exists():
        parser.error(
            f"--start: expected the checkpoint.weights.h5 of another run, got {args.start}, which does not exist"
        )
    for name in ("steps", "sources", "pictures"):
        if getattr(args, name) < 1:
            parser.error(f"--{name}: expected at least 1, got {getattr(args, name)}")
    if args.noise < 0:
        parser.error(f"--noise: expected 0 or more, got {args.noise}")
    return args


def main(argv: list[str] | None = None) -> int:
    """Train, write the network, and judge it."""
    args = parse_args(argv)
    args.workdir.mkdir(parents=True, exist_ok=True)
    keras.config.set_dtype_policy(args.dtype)
    keras.utils.set_random_seed(args.seed)
    model = compiled(args)
    first = begun(model, args)
    crops = Crops(
        training_pictures(args.pictures, args.seed), args.pairs, args.side, args.sources, args.noise, args.seed
    )
    train(model, crops, args, first)
    result = args.workdir / "builtin.npz"
    write(model, result, examples())
    print(f"{result}: sha256 {hashlib.sha256(result.read_bytes()).hexdigest()}", flush=True)
    return 0 if args.skip_evaluation else evaluate(result)


def training_pictures(count: int, seed: int) -> list[np.ndarray]:
    """Generated pictures, and photographs and examples so often that one in five is of these."""
    started = time.perf_counter()
    try:
        real = photographs() + examples()
    except ModuleNotFoundError as error:
        _refuse(f"expected the package {error.name}, which is missing; pip install -e '.[train]'")
    generated = generate(count, seed, real, os.cpu_count() or 1)
    print(f"{count} pictures generated in {time.perf_counter() - started:.0f} s", flush=True)
    return generated + real * max(1, count // (4 * len(real)))


def compiled(args: argparse.Namespace) -> Trainee:
    """The network to train, with AdamW, warmed up and then slowed down along a cosine."""
    model = Trainee(args.redundancy, args.restoration)
    warm_up = min(200, args.steps // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, args.steps - warm_up, warmup_target=args.learning_rate, warmup_steps=warm_up
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.02, global_clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model.compile(optimizer, jit_compile="auto" if keras.backend.backend() == "jax" else False)
    optimizer.build(model.trainable_variables)
    return model


def begun(model: Trainee, args: argparse.Namespace) -> int | None:
    """Load the last checkpoint of this run, or that of the other run which it starts with.

    Returns:
        Steps done; None where nothing was loaded.
    """
    checkpoint, record = args.workdir / CHECKPOINT, args.workdir / "flags.json"
    flags = {name: str(value) for name, value in vars(args).items() if name not in _NO_PART_IN_TRAINING}
    if checkpoint.exists():
        before = json.loads(record.read_text()) if record.exists() else {}
        changed = [f"--{name} {before.get(name)}" for name in flags if before.get(name) != flags[name]]
        if changed:
            _refuse(f"{args.workdir}: expected the flags that its run began with, {' '.join(changed)}; or give another")
        _load(model, checkpoint)
        print(f"going on after step {int(model.optimizer.iterations)}", flush=True)
        return int(model.optimizer.iterations)
    record.write_text(json.dumps(flags))
    if not args.start:
        return None
    _load(model, args.start)
    for variable in model.optimizer.variables:
        variable.assign(keras.ops.zeros(variable.shape, variable.dtype))
    return 0


def _load(model: Trainee, checkpoint: Path) -> None:
    try:
        model.load_weights(checkpoint)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        _refuse(
            f"{checkpoint}: expected a checkpoint of this script, received a file that is none or damaged ({reason})"
        )


def _refuse(message: str) -> NoReturn:
    print(f"{Path(__file__).name}: {message}", file=sys.stderr)
    sys.exit(2)


def train(model: Trainee, crops: Crops, args: argparse.Namespace, first: int | None) -> None:
    """Train from the first step that is not done, or, where nothing was loaded, from the start, to the last."""
    checkpoint = args.workdir / CHECKPOINT
    if first is None:
        model.calibrate(np.concatenate([crops.batch(step)[0][:16] for step in range(16)]))
        first = 0
    started = saved = time.perf_counter()
    with open(args.workdir / "log.jsonl", "a") as log:
        for step, (x, y) in enumerate(prefetched(crops, first, args.steps), first + 1):
            losses = model.train_on_batch(x, y, return_dict=True)
            if step % LOG_EVERY == 0 or step == args.steps:
                line = json.dumps(_row(step, time.perf_counter() - started, losses))
                print(line, flush=True)
                print(line, file=log, flush=True)
                model.reset_metrics()
            if step == args.steps or time.perf_counter() - saved > 60 * args.save_minutes:
                _save(model, checkpoint)
                saved = time.perf_counter()


def _row(step: int, seconds: float, losses: dict[str, float]) -> dict[str, float]:
    return {"step": step, "seconds": round(seconds, 1)} | {name: round(float(loss), 4) for name, loss in losses.items()}


def _save(model: Trainee, path: Path) -> None:
    """Whole or not at all."""
    partial = path.with_name(f"partial-{path.name}")
    model.save_weights(partial)
    os.replace(partial, path)


def evaluate(network: Path) -> int:
    """Judge a network in a process of its own, since the program itself runs on TensorFlow alone."""
    command = [sys.executable, str(Path(__file__).with_name("evaluate_network.py")), str(network)]
    if importlib.util.find_spec("tensorflow") is None:
        print(f"not judged, since TensorFlow is not installed here; where it is: {' '.join(command[1:])}")
        return 0
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
