"""Make a `Config` from command-line arguments. The flags are made from its options.

Dashes and underscores are the same. A value follows `=` or a space. A list is written `--styles a.jpg b.jpg`, or
`--styles=a.jpg --styles=b.jpg`. Flags next to a `--flagfile` take precedence over those in the file. All of them take
precedence over those of a `--preset`, even if a flag file names it. By the rules of `presets.kept`, what belongs to a
flag or to a preset that is replaced goes with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from neural_style.cli import flag_files, flag_hints, places
from neural_style.cli.console import say
from neural_style.cli.flag_names import RESUME, YES
from neural_style.config import checks, command_words, presets
from neural_style.config.config import OPTIONS, Config
from neural_style.config.fields import Option, nearest
from neural_style.errors import UsageError

_NAMES = {name: option for option in OPTIONS.values() for name in (option.name, option.alias) if name}
_SWITCHES = {f"no{name}": option for name, option in OPTIONS.items() if option.type is bool} | {
    f"no_{name}": option for name, option in OPTIONS.items() if option.type is bool
}


def parse(arguments: Sequence[str], complete: Callable[[dict[str, Any]], dict[str, Any]] | None = None) -> Config:
    """Make a `Config` from command-line arguments.

    Args:
        arguments: the arguments.
        complete: returns values for options that are not given, by name, from those that are; None for none.

    Raises:
        UsageError: a flag is unknown, lacks a value or has one of the wrong type; a flag file cannot be read; or
            `Config` refuses a value.
    """
    values = given(arguments)
    if complete is not None:
        values = {**complete(values), **values}
    config = Config(**with_preset(values))
    checks.check_use(config)
    return config


def with_preset(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of options by name, from values among which `--preset` may be."""
    values = dict(values)
    preset = values.pop(presets.FLAG, None)
    return ({} if preset is None else presets.values(preset, OPTIONS, values)) | values


def parse_only(arguments: Sequence[str], options: Mapping[str, Option], command: str) -> dict[str, Any]:
    """Return the values that are given for some options, none of which is a list, by name.

    Args:
        arguments: command-line arguments: flags alone.
        options: the options by name. They need not be those of `Config`.
        command: what messages begin with.

    Raises:
        UsageError: a flag is none of these options, lacks a value or has one of the wrong type.
    """
    values: dict[str, Any] = {}
    for flag, texts in _flags_of(arguments, in_file=False):
        positive = re.sub("^no_?", "", flag)
        if flag not in options and not texts and positive in options and options[positive].type is bool:
            values[positive] = False
            continue
        if flag not in options:
            known = ", ".join(f"--{name}" for name in options)
            raise UsageError(f"{command}: unknown flag --{flag}{nearest(flag, options)}; its flags are {known}")
        option = options[flag]
        words = texts or (["true"] if option.type is bool else [])
        try:
            text = words[-1]
            value = {"true": True, "false": False}[text.lower()] if option.type is bool else option.type(text)
        except (ValueError, KeyError, IndexError) as error:
            got = repr(words[-1]) if words else "nothing"
            raise UsageError(f"--{flag}: expected {kind(option)}, got {got}") from error
        try:
            values[flag] = option.checked(value)
        except UsageError as error:
            raise UsageError(f"--{error}") from error
    return values


def given(arguments: Sequence[str], *, may_resume: bool = False) -> dict[str, Any]:
    """Return the values that command-line arguments give for options, and for `--preset` and `--resume`, by name.

    Raises:
        UsageError: as for `parse`, but for what `Config` refuses; or a flag file names a place to write that is not in
            the current folder, and `--yes` is not given; or a run is to be resumed that cannot be.
    """
    tokens = [argument for argument in arguments if not _is_yes(argument)]
    values, from_files = _gather(tokens, None, (), flag_files.Reader())
    if RESUME in values and not may_resume:
        raise UsageError(f"--{RESUME}: expected a run that paints one picture, got another command; leave it out")
    if not has_yes(arguments):
        _check_places(values, from_files)
    return values


def has_yes(arguments: Sequence[str]) -> bool:
    """Return whether a command line has `--yes`, which no flag file can have."""
    return any(map(_is_yes, arguments))


def _is_yes(argument: str) -> bool:
    return re.fullmatch(f"--?{YES}", argument) is not None


def _check_places(values: Mapping[str, Any], from_files: Collection[str]) -> None:
    """Raise UsageError if a flag file leads out of the current folder with what is written, and show the flags."""
    for name in from_files:
        if OPTIONS[name].is_output and not places.is_harmless(name, values[name]):
            say(f"the flags are: {command_words.command(values)}")
            raise UsageError(
                f"--{name}: expected a visible file in the current folder from a flag file, got {values[name]!r}; "
                f"add --{YES} to write there, or give --{name} on the command line"
            )


def named(flag: str) -> str:
    """Return the name of the option that a flag sets, or of `--preset`. Dashes and underscores are the same.

    Raises:
        UsageError: there is no such flag, or it sets no option.
    """
    name = flag.replace("-", "_")
    if name in _NAMES:
        return _NAMES[name].name
    if name == presets.FLAG:
        return name
    raise UsageError(f"unknown option {flag!r}; {flag_hints.hint(name, [*_NAMES, presets.FLAG])}")


def is_value(token: str) -> bool:
    """Return whether a token is a value, not a flag: it does not begin with a dash, or is a negative number.

    A dash alone is a value, too: standard input or output. So is a path in a folder of that name.
    """
    return not token.startswith("-") or re.fullmatch(r"-(?:[\d./].*)?", token, re.DOTALL) is not None


def _gather(
    tokens: Sequence[str], folder: Path | None, files: tuple[Path, ...], reader: flag_files.Reader
) -> tuple[dict[str, Any], set[str]]:
    """Return the values given for options and for `--preset`, in tokens and in the flag files that they name.

    Args:
        tokens: command-line arguments, or the lines of a flag file.
        folder: folder of the flag file that the tokens come from; None for the command line.
        files: the flag files that are being read, outermost first.
        reader: reads the flag files.

    Returns:
        The values by name, and the names of the options whose values are those of flag files in `tokens`.
    """
    own: dict[str, list[str]] = {}
    preset: dict[str, str] = {}
    resume: dict[str, str] = {}
    nested: dict[str, Any] = {}
    for flag, given in _flags_of(tokens, in_file=folder is not None):
        if flag == flag_files.FLAG:
            if not given:
                raise UsageError(f"--{flag}: expected a file after it, got nothing")
            for path in given:
                nested = _over(_read_flagfile(path, folder, files, reader), nested)
            continue
        if flag == presets.FLAG:
            if len(given) != 1:
                raise UsageError(f"--{flag}: expected one name after it, got {' '.join(given) or 'nothing'}")
            presets.lines(given[0])  # raises for an unknown name
            preset = {flag: given[0]}
            continue
        if flag == RESUME and folder is None:
            if len(given) != 1:
                raise UsageError(f"--{flag}: expected one folder after it, got {' '.join(given) or 'nothing'}")
            resume = {flag: os.path.expanduser(given[0])}
            continue
        option, texts = _recognized(flag, given, in_file=folder is not None)
        if option.is_list:
            own.setdefault(option.name, []).extend(texts)
        else:
            own[option.name] = texts
    values = _over(_values(own) | preset | resume, nested)
    return values, {name for name in values if name in nested and name not in own and name in OPTIONS}


def _over(above: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    """Return values that take precedence, and those of the others that stay next to them."""
    return presets.kept(below, above, OPTIONS) | dict(above)


def _values(texts: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the values of options by name, converted to their types from the texts given for them."""
    values = _absl_flags()
    for name, given in texts.items():
        try:
            values[name].parse(given if OPTIONS[name].is_list else given[-1])
        except (flags.Error, ValueError) as error:
            expected = "one of " + ", ".join(OPTIONS[name].choices) if OPTIONS[name].choices else kind(OPTIONS[name])
            raise UsageError(f"--{name}: expected {expected}, got {' '.join(given)!r}{_advice(name, given)}") from error
    return {name: values[name].value for name in texts}


def _advice(name: str, given: Sequence[str]) -> str:
    """Return the end of a message about a value that is none of the choices: what may be meant."""
    choices = OPTIONS[name].choices
    parts = [part for text in given for part in re.split(r"[\s,]+", text)]
    if OPTIONS[name].is_list and {*parts} <= {*choices}:
        return f"; write --{name} {' '.join(parts)}"
    return nearest(next((text for text in given if text not in choices), ""), choices)


def _flags_of(tokens: Sequence[str], in_file: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield each flag's name, with underscores, and the texts given for it."""
    position = 0
    while position < len(tokens):
        token = tokens[position]
        match = re.match(r"--?([A-Za-z][\w-]*)(=|\s+|$)" if in_file else r"--?([A-Za-z][\w-]*)(=|$)", token)
        if not match:
            raise UsageError(
                f"expected a flag such as --content, got {token!r}; "
                "write --content photo.jpg --styles a.jpg b.jpg (--help lists all flags)"
            )
        name, rest = match[1].replace("-", "_"), token[match.end() :]
        position += 1
        if match[2] == "=":
            yield name, [flag_files.unquoted(rest) if in_file else rest]
        elif in_file:
            yield name, flag_files.split(rest) if _takes_list(name) else [flag_files.unquoted(rest)] if rest else []
        else:
            values = _values_after(name, tokens[position:])
            yield name, values
            position += len(values)
            if values and not _takes_list(name) and any(tokens[position:]) and is_value(tokens[position]):
                raise UsageError(
                    f"--{name}: expected one value, got {values[0]!r} and {tokens[position]!r}; "
                    "put a value that has spaces in quotes"
                )


def _values_after(name: str, tokens: Sequence[str]) -> list[str]:
    """Return the values of a flag from the tokens after it: none, one, or all up to the next flag."""
    end = next((index for index, token in enumerate(tokens) if not is_value(token)), len(tokens))
    values = list(tokens[: end if _takes_list(name) else min(end, 1)])
    if _takes_none(name) and values and values[0].lower() not in ("true", "false"):
        return []
    return values


def _read_flagfile(
    named: str, folder: Path | None, files: tuple[Path, ...], reader: flag_files.Reader
) -> dict[str, Any]:
    """Return the values that a flag file gives for options; the arguments are those of `_gather`."""
    path = flag_files.locate(named, folder)
    lines = reader.read(path, named, files)
    try:
        return _gather(lines, path.parent, (*files, path), reader)[0]
    except UsageError as error:
        raise UsageError(f"in {named!r}: {error}") from error


def _recognized(flag: str, texts: list[str], *, in_file: bool) -> tuple[Option, list[str]]:
    """Return the option of a flag, and its texts; `--nooverwrite` becomes `overwrite` with "false"."""
    if flag in (YES, RESUME) and in_file:
        raise UsageError(f"--{flag}: expected on the command line alone, got it in a flag file; take the line out")
    if flag in _SWITCHES and not texts:
        return _SWITCHES[flag], ["false"]
    if flag not in _NAMES:
        known = [*_NAMES, flag_files.FLAG, presets.FLAG, RESUME, YES, "help", "version"]
        if flag in known or flag in _SWITCHES:
            raise UsageError(f"--{flag}: expected nothing after it, got {' '.join(texts)!r}")
        raise UsageError(f"unknown flag --{flag}; {flag_hints.hint(flag, known)}")
    option = _NAMES[flag]
    if not texts and option.type is bool:
        texts = ["true"]
    if not texts:
        raise UsageError(f"--{option.name}: expected {kind(option)} after it, got nothing")
    return option, texts


def _absl_flags() -> flags.FlagValues:
    """Return our flags, in a container apart from the flags that absl and TensorFlow define."""
    values = flags.FlagValues()
    single: dict[type, Callable] = {
        str: flags.DEFINE_string,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_bool,
    }
    multi: dict[type, Callable] = {
        str: flags.DEFINE_multi_string,
        int: flags.DEFINE_multi_integer,
        float: flags.DEFINE_multi_float,
    }
    for option in OPTIONS.values():
        if option.choices:
            define_enum = flags.DEFINE_multi_enum if option.is_list else flags.DEFINE_enum
            define_enum(option.name, option.default, option.choices, option.help, flag_values=values)
        else:
            define = (multi if option.is_list else single)[option.type]
            define(option.name, option.default, option.help, flag_values=values)
    values.mark_as_parsed()
    return values


def _takes_list(name: str) -> bool:
    return name in _NAMES and _NAMES[name].is_list


def _takes_none(name: str) -> bool:
    return name in _SWITCHES or (name in _NAMES and _NAMES[name].type is bool)


def kind(option: Option) -> str:
    """Return in words what a flag's text must be."""
    words = {str: "a value", int: "a whole number", float: "a number", bool: "true or false"}[option.type]
    return f"{words} (or several, with spaces between)" if option.is_list else words
