"""Section `eval`: one evaluation of loss and gradient, in each precision and by PyTorch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from neural_style.bench import classic_run, program
from neural_style.bench.convolutions import convolution_actions, count_convolutions
from neural_style.bench.measuring import Row, medians, random_pictures
from neural_style.bench.torch_evaluation import has_torch, torch_evaluation

if TYPE_CHECKING:
    from neural_style.bench.options import Options

NOTE = (
    "evaluation: loss and gradient; convolutions: those of the evaluation, forward and back, each alone; "
    "vs …: how many times faster; a preset is not compared with PyTorch."
)


def measure(options: Options, network: program.Network, width: int) -> list[Row]:
    """Time evaluations in each precision of this machine, in turn with what they are compared with."""
    same_loss = {"loss": classic_run.SETTINGS["loss"]} if options.preset is None else {}  # which PyTorch is given
    config = program.resolve(options.config(**same_loss), network)
    content, style, start = random_pictures(width)
    precisions = program.available_precisions(config)
    actions: dict[Hashable, Callable[[], object]] = {}
    for precision in precisions:
        objective = program.objective(config, network, content, [style], precision)
        actions[precision] = functools.partial(program.evaluate, objective, program.encode(objective, start))
        for kind, convolution in convolution_actions(config, width, precision).items():
            actions[precision, kind] = convolution
    if has_torch() and options.preset is None:
        on_gpu = program.device_of(config).startswith("GPU")
        actions["PyTorch"] = torch_evaluation(config, network, content, style, start, on_gpu=on_gpu)
    times = medians(actions, options.repeats)
    counts = count_convolutions(config, width)
    return [
        {
            "px": width,
            "precision": precision,
            "evaluation s": times[precision],
            "s per Mpx": times[precision] / (width**2 / 1e6),
            "vs float32": times["float32"] / times[precision],
            "vs convolutions": times[precision] / sum(n * times[precision, kind] for kind, n in counts.items()),
            "vs PyTorch float32": times["PyTorch"] / times[precision] if "PyTorch" in times else None,
        }
        for precision in precisions
    ]
