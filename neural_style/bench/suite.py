"""All sections that are asked for, one after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from neural_style.bench import program
from neural_style.bench.measuring import Row
from neural_style.bench.options import Options
from neural_style.bench.sections import SECTIONS
from neural_style.errors import OutOfMemoryError


def measure(options: Options, say: Callable[[str], None]) -> dict[str, list[Row]]:
    """Measure every section; `say` is told what comes next.

    Returns:
        Section -> rows of its table.

    Raises:
        NeuralStyleError: the network or a picture cannot be read, or memory is too small.
    """
    network = program.load_network(options.config())
    for name in options.sections:
        SECTIONS[name].prepare(options)
    results: dict[str, list[Row]] = {}
    for name in options.sections:
        section, rows = SECTIONS[name], results.setdefault(name, [])
        for width in options.widths or section.widths:
            say(f"timing {name} at {width} px")
            with _memory_errors():
                rows.extend(section.measure(options, network, width))
        section.finish(rows)
    return results


@contextlib.contextmanager
def _memory_errors() -> Iterator[None]:
    import tensorflow as tf

    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise OutOfMemoryError("bench: memory is too small for pictures of this size; lower --width") from error
