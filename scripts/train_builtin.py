"""Train the built-in network: VGG19 filters that learn from generated pictures and a few free photographs.

The recipe is told in docs/builtin-network.md. Runs on any backend of Keras 3 (KERAS_BACKEND); goes on from its last
checkpoint when called again with the same flags.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from neural_style.cli.signals import ending_signals
from neural_style.errors import NeuralStyleError
from neural_style.networks.keras_import import quiet_import

try:
    with quiet_import():
        import keras
except (ImportError, ValueError) as problem:
    named, reason = os.environ.get("KERAS_BACKEND", "none"), " ".join(str(problem).split())[:200]
    print(
        f"train_builtin.py: expected Keras, and KERAS_BACKEND to name a backend that is installed, got {named} "
        f"({reason}); pip install -e '.[train]', which brings tensorflow, or install the other",
        file=sys.stderr,
    )
    sys.exit(2)

import numpy as np
from builtin_training.crops import Crops, prefetched
from builtin_training.export import write
from builtin_training.network import RESTORATION, SEEING, Trainee
from builtin_training.photos import examples, photographs
from builtin_training.pictures import generate
from tqdm import tqdm

CHECKPOINT = "checkpoint.weights.h5"
"""Its name in a run's folder."""

_NO_PART_IN_TRAINING = ("workdir", "save_minutes", "skip_evaluation")

LOG_EVERY = 50
"""Steps between lines of the log, each of which is a mean over them; its seconds are those of one call."""

_ANOTHER_RATE = (
    "begin another --workdir with a lower --learning_rate, by --start from this one's checkpoint if it has one"
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        usage="%(prog)s [--help] [--flag value ...]",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--workdir", type=Path, default=Path("out/train"), help="folder of checkpoint, log and result")
    parser.add_argument("--steps", type=_number(int, 1), default=5500, help="steps of training")
    parser.add_argument("--pairs", type=_number(int, 8), default=64, help="pairs of crops in a step")
    parser.add_argument("--side", type=int, default=48, help="height and width of a crop in pixels, a multiple of 8")
    parser.add_argument("--sources", type=_number(int, 1), default=4, help="pictures that a step's crops come from")
    parser.add_argument("--noise", type=_number(float, 0), default=0.12, help="most noise added, where white is 1")
    parser.add_argument("--pictures", type=_number(int, 1), default=1000, help="pictures to generate")
    parser.add_argument("--redundancy", type=_number(float, 0), default=0.0, help="weight against alike channels")
    parser.add_argument(
        "--restoration",
        type=_number(float, 0),
        default=RESTORATION[SEEING],
        help=f"weight of predicting pixels from {SEEING}",
    )
    parser.add_argument("--start", type=Path, help="checkpoint of another run, to begin with")
    parser.add_argument("--learning_rate", type=_number(float, 0), default=1.5e-3, help="highest step size of AdamW")
    parser.add_argument(
        "--dtype", choices=("mixed_bfloat16", "float32"), default="mixed_bfloat16", help="Keras's dtype policy"
    )
    parser.add_argument(
        "--seed", type=_number(int, 0, 2**32 - 1), default=0, help="of pictures, crops and first weights"
    )
    parser.add_argument("--save_minutes", type=_number(float, 0), default=5, help="minutes between checkpoints")
    parser.add_argument("--skip_evaluation", action="store_true", help="do not judge the result by its textures")
    args = parser.parse_args(argv)
    if args.side % 8 or not 16 <= args.side <= 256:
        parser.error(f"--side: expected a multiple of 8, from 16 to 256, got {args.side}")
    if args.start and not args.start.exists():
        parser.error(
            f"--start: expected the checkpoint.weights.h5 of another run, got {args.start}, which does not exist"
        )
    return args


def _number(kind: type[int] | type[float], least: int, most: float = sys.float_info.max) -> Callable[[str], float]:
    """A reader of a flag that is a finite number of at least this."""

    def read(text: str) -> float:
        what = "a whole number" if kind is int else "a number"
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            bounds = f"of at least {least}" if most == sys.float_info.max else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"expected {what} {bounds}, got {text}")
        return value

    return read


class Stop:
    """Turns the first signal to end into KeyboardInterrupt; more are passed over, since stopping takes seconds."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._later = False

    def __enter__(self) -> Stop:
        self._before = {number: signal.signal(number, self._received) for number in ending_signals()}
        return self

    def __exit__(self, *failure: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = number
            with contextlib.suppress(OSError):  # nobody reads it any more
                os.write(2, b"\nstopping\n")
            if not self._later:
                raise KeyboardInterrupt

    @contextlib.contextmanager
    def later(self) -> Iterator[None]:
        """What runs within may look at `signal`, and is interrupted only at its end."""
        self._later = True
        try:
            yield
        finally:
            self._later = False
        if self.signal is not None:
            raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> int:
    """Train, write the network, and judge it; return the exit code."""
    args = parse_args(argv)
    with Stop() as stop:
        try:
            result = _network(args, stop)
            if args.skip_evaluation:
                return 0
            return evaluate(result)
        except KeyboardInterrupt:
            print("stopped; call again with the same flags to go on from the last step saved", file=sys.stderr)
            return 128 + (stop.signal or signal.SIGINT)
        except (FloatingPointError, NeuralStyleError, OSError) as error:
            print(f"{Path(__file__).name}: {error}", file=sys.stderr)
            return 1


def _network(args: argparse.Namespace, stop: Stop) -> Path:
    """Train from where the run is, and write the file."""
    keras.config.set_dtype_policy(args.dtype)
    keras.utils.set_random_seed(args.seed)
    try:
        ours = examples()
        real = photographs() + ours
    except ModuleNotFoundError as error:
        _refuse(f"expected the package {error.name}, which is missing; pip install -e '.[train]'")
    model = compiled(args)
    first = begun(model, args)
    if first != args.steps:
        pictures = training_pictures(args.pictures, args.seed, real)
        train(model, Crops(pictures, args.pairs, args.side, args.sources, args.noise, args.seed), args, first, stop)
    result = args.workdir / "builtin.npz"
    write(model, result, ours)
    print(f"{result}: sha256 {hashlib.sha256(result.read_bytes()).hexdigest()}", flush=True)
    return result


def training_pictures(count: int, seed: int, real: list[np.ndarray]) -> list[np.ndarray]:
    """Generated pictures, and the real ones so often that one in five is of these."""
    print(f"drawing {count} pictures", flush=True)
    generated = tqdm(generate(count, seed, real, os.cpu_count() or 1), "pictures", count, disable=None)
    return list(generated) + real * max(1, count // (4 * len(real)))


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
        try:
            before = dict(json.loads(record.read_text()))
        except (OSError, ValueError, TypeError) as error:
            _refuse(f"{record}: expected the flags of the run there, but {error}; give another --workdir")
        changed = [name for name in flags if before.get(name) != flags[name]]
        if changed:
            theirs, ours = (" ".join(f"--{name} {of.get(name)}" for name in changed) for of in (before, flags))
            _refuse(
                f"{args.workdir}: expected the flags that the run there began with, {theirs}, got {ours}; "
                "give another --workdir for another run"
            )
        _load(model, checkpoint)
        print(f"going on after step {int(model.optimizer.iterations)}", flush=True)
        return int(model.optimizer.iterations)
    if args.start:
        _load(model, args.start)
        for variable in model.optimizer.variables:
            variable.assign(keras.ops.zeros(variable.shape, variable.dtype))
    try:
        args.workdir.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(flags))
    except OSError as error:
        _refuse(f"--workdir: expected a folder, or a place for one, got {args.workdir} ({error.strerror})")
    return 0 if args.start else None


def _load(model: Trainee, checkpoint: Path) -> None:
    try:
        model.load_weights(checkpoint)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        _refuse(
            f"{checkpoint}: expected a checkpoint of this script, received another or a damaged file ({reason}); "
            "give another, or delete it to begin anew"
        )


def _refuse(message: str) -> NoReturn:
    print(f"{Path(__file__).name}: {message}", file=sys.stderr)
    sys.exit(2)


def train(model: Trainee, crops: Crops, args: argparse.Namespace, first: int | None, stop: Stop) -> None:
    """Train from the first step that is not done, or, where nothing was loaded, from the start, to the last.

    Raises:
        KeyboardInterrupt: a signal came; the step that it came in is done and saved.
        FloatingPointError: the loss is not finite; the checkpoint before is kept.
    """
    checkpoint = args.workdir / CHECKPOINT
    if first is None:
        model.calibrate(np.concatenate([crops.batch(step)[0][:16] for step in range(16)]))
        first = 0
    print(f"training, steps {first + 1} to {args.steps}", flush=True)
    started = saved = time.perf_counter()
    bar = tqdm(prefetched(crops, first, args.steps), "steps", args.steps, initial=first, disable=None, unit="step")
    with open(args.workdir / "log.jsonl", "a") as log, stop.later():
        for step, (x, y) in enumerate(bar, first + 1):
            losses = model.train_on_batch(x, y, return_dict=True)
            if not math.isfinite(losses["loss"]):
                raise FloatingPointError(f"the loss is {losses['loss']} at step {step}; {_ANOTHER_RATE}")
            if step % LOG_EVERY == 0 or step == args.steps:
                line = json.dumps(_row(step, time.perf_counter() - started, losses))
                with bar.external_write_mode():
                    print(line, flush=True)
                print(line, file=log, flush=True)
                model.reset_metrics()
            if stop.signal or step == args.steps or time.perf_counter() - saved > 60 * args.save_minutes:
                _save(model, checkpoint)
                saved = time.perf_counter()
            if stop.signal:
                break
        bar.close()


def _row(step: int, seconds: float, losses: dict[str, float]) -> dict[str, float]:
    return {"step": step, "seconds": round(seconds, 1)} | {name: round(float(loss), 4) for name, loss in losses.items()}


def _save(model: Trainee, path: Path) -> None:
    """Whole or not at all, and only what one can go on from."""
    if not all(np.isfinite(keras.ops.convert_to_numpy(weight)).all() for weight in model.weights):
        raise FloatingPointError(f"the last step left weights that are not finite; {_ANOTHER_RATE}")
    partial = path.with_name(f"partial-{path.name}")
    model.save_weights(partial)
    os.replace(partial, path)


def evaluate(network: Path) -> int:
    """Judge a network in a process of its own, since the program itself runs on TensorFlow alone."""
    command = [sys.executable, str(Path(__file__).with_name("evaluate_network.py")), str(network)]
    if importlib.util.find_spec("tensorflow") is None:
        print(f"not judged, since TensorFlow is not installed here; where it is: {' '.join(command[1:])}")
        return 0
    print("judging it, for minutes, by textures of examples/; evaluate_network.py --help says how", flush=True)
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
