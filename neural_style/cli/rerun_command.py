"""The command `rerun`: show the run that made a picture, from the picture's metadata, and repeat it."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from neural_style.cli import flags, painting, run_report
from neural_style.cli.console import say
from neural_style.cli.flag_names import RESUME, YES
from neural_style.config import checks, command_words, embedded, presets
from neural_style.config.config import Config
from neural_style.errors import UsageError
from neural_style.runs.recipe import Recipe, recipe_of

_USAGE = f"rerun painted.png --{YES}"

_MOST_SHOWN, _LONGEST_SHOWN = 5, 40
"""How many settings that are left out are named, and how long their names may be."""


def run(arguments: Sequence[str]) -> Generator[str, None, int]:
    """Run the command; yield lines of text for a shell, in which all but the command are comments.

    With `--yes`, the lines go to standard error, and the command is run.

    Args:
        arguments: path of the picture, flags of a run, and maybe `--yes`.

    Returns:
        The exit code.

    Raises:
        NeuralStyleError: the arguments are wrong, the picture or its settings are, or the run failed.
    """
    try:
        recipe, given, folders = _read(arguments)
        config = recipe.config(complete=flags.has_yes(arguments))
        checks.check_use(config)
    except UsageError as error:
        run_report.print_refusal(arguments, error)
        raise
    command = command_words.command(recipe.values)
    facts = [*_places(recipe, given, folders), _work(recipe, config), *_left_out(recipe)]
    if flags.has_yes(arguments):
        for line in (command, *facts):
            say(line)
        return painting.paint(config)
    yield command
    for fact in facts:
        yield f"# {fact}"
    needs = f", with {recipe.flags_for_missing()}" if recipe.missing else ""
    yield f"# nothing was painted; add --{YES}{needs} to run this command"
    return 0


def _read(arguments: Sequence[str]) -> tuple[Recipe, dict[str, Any], list[str]]:
    """Return what is to be run, the flags that are given, and the folders that were searched."""
    if not arguments or arguments[0].startswith("-"):
        got = repr(arguments[0]) if arguments else "nothing"
        raise UsageError(f"rerun: expected a picture that this program wrote first, got {got}; write {_USAGE}")
    if len(arguments) > 1 and flags.is_value(arguments[1]):
        raise UsageError(f"rerun: expected one picture, got {arguments[1]!r} as well; write {_USAGE}")
    given = flags.given(arguments[1:])
    if presets.FLAG in given:
        raise UsageError(
            f"rerun: expected no --{presets.FLAG}, since the picture says the value of every option, got "
            f"{given[presets.FLAG]}; give the options to change, or paint with the preset without rerun"
        )
    if RESUME in given:
        raise UsageError(f"rerun: expected no --{RESUME}, got one; resume the run without rerun")
    picture = os.path.expanduser(arguments[0])
    folders = list(dict.fromkeys(["", os.path.dirname(picture)]))
    return recipe_of(picture, folders, given), given, folders


def _places(recipe: Recipe, given: dict[str, Any], folders: Sequence[str]) -> Iterator[str]:
    """Yield where each picture was found."""
    for file in recipe.files:
        if file.path is not None:
            where = "the folder of the picture" if os.path.dirname(file.path) not in ("", ".") else "the current folder"
            yield f"{file.option}: {file.name}, found in {where}"
        elif file.option in ("weights", "proof"):
            yield f"{file.option}: made with {file.name!r}; a picture may not choose that file: give --{file.option}"
        else:
            where = " or in the folder of the picture" if len(folders) > 1 else ""
            yield f"{file.option}: {file.name}, not found in the current folder{where}: give --{file.option}"
    for name in given:
        if embedded.is_embedded(name):
            yield f"{name}: given by --{name}"


def _work(recipe: Recipe, config: Config) -> str:
    """Return what decides how long a run takes and how much memory."""
    size = config.size or (f"{config.width} px wide" if config.width else "as large as the content")
    coarse = None if config.scales == "1" else config.scale_iterations
    lengths = config.iterations_by_scale or [each for each in (coarse, config.iterations) if each]
    iterations = f"at most {' then '.join(map(str, lengths))} iterations" if lengths else "the usual iterations"
    count = len(config.styles)
    weights = f", weights {config.weights}" if "weights" in recipe.values else ""
    return f"work: {size}, {iterations} of {config.optimizer}, {count} style{'s' * (count != 1)}{weights}"


def _left_out(recipe: Recipe) -> Iterator[str]:
    """Yield what the settings have besides the run."""
    for name in recipe.later:
        yield f"the picture was {name} after the run; rerun paints it as it was before"
    if recipe.left_out:
        names = [ascii(name)[: _LONGEST_SHOWN + 2] for name in recipe.left_out[:_MOST_SHOWN]]
        more = len(recipe.left_out) - len(names)
        yield f"left out: {', '.join(names)}{f' and {more} more' if more else ''}, which pictures may not set"
