"""The command `bench`: measure, print tables and write JSON."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from neural_style import files
from neural_style.bench import report, suite
from neural_style.bench.options import parse
from neural_style.cli.console import say
from neural_style.cli.tensorflow_import import import_tensorflow


def run(arguments: Sequence[str]) -> Iterator[str]:
    """Run the command; yield lines of text.

    Args:
        arguments: the arguments of `bench.options.parse`.

    Raises:
        NeuralStyleError: the arguments are wrong, a file cannot be written, or something cannot be measured.
    """
    options = parse(arguments)
    paths = {name: getattr(options, name) for name in ("content", "style", "pictures", "json")}
    given = {name: os.path.expanduser(path) for name, path in paths.items() if path}
    options = dataclasses.replace(options, **given)
    if options.json:
        files.check_writable(options.json, "--json", overwrite=True)
    if options.pictures:
        files.check_writable(Path(options.pictures, "classic.png"), "--pictures", overwrite=True)
    import_tensorflow()
    results = suite.measure(options, say=say)
    yield report.table(results)
    if options.json:
        text = report.to_json(results, options)
        files.write_atomically(
            options.json, lambda file: file.write_text(text, encoding="utf-8"), overwrite=True, option="--json"
        )
