"""The command line as text: flags made from `Config`, in any spelling, from arguments and flag files, and back again.

Spellings: dashes and underscores are the same; a value follows `=` or a space; a list is written `--styles a.jpg b.jpg`
or by repeating `--styles=a.jpg`. What a flag file says gives way to what names the flag file.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from neural_style.config.config import OPTIONS, Config
from neural_style.config.fields import Option
from neural_style.errors import UsageError

_NAMES = {name: option for option in OPTIONS.values() for name in (option.name, option.alias) if name}
_SWITCHES = {f"no{name}": option for name, option in OPTIONS.items() if option.type is bool} | {
    f"no_{name}": option for name, option in OPTIONS.items() if option.type is bool
}
_FLAGFILE = "flagfile"


def parse(arguments: Sequence[str]) -> Config:
    """Make a `Config` of command-line arguments.

    Raises:
        UsageError: a flag is unknown, lacks a value or has one of the wrong type; a flag file cannot be read; or what
            `Config` raises.
    """
    texts = _gather(arguments, folder=None, files=())
    missing = [option.name for option in OPTIONS.values() if option.required and option.name not in texts]
    if missing:
        wanted = " and ".join(f"--{name}" for name in missing)
        raise UsageError(
            f"expected {wanted}; for example: --content photo.jpg --styles painting.jpg (--help lists all)"
        )
    return Config(**_values(texts))


def effective(config: Config, resolved: Mapping[str, str]) -> Iterator[str]:
    """Lines of a flag file that repeats a run: every option in force, one per line, with absolute paths.

    Args:
        config: the run.
        resolved: what some options came to, in place of their values: the file that `--weights=auto` found, say.

    Raises:
        UsageError: a value holds a line break or is not Unicode, which a flag file cannot keep.
    """
    for name, option in OPTIONS.items():
        value = resolved.get(name, getattr(config, name))
        if value is None or name == "save_flags":
            continue
        if option.type is bool:
            yield f"--{name}" if value else f"--no{name}"
            continue
        for item in value if option.is_list else (value,):
            text = os.path.abspath(item) if option.is_path else str(item)
            if re.search("[\n\r\ud800-\udfff]", text):  # the last are bytes that are not UTF-8
                raise UsageError(
                    f"save_flags: expected values of one line of Unicode, got --{name}={text!r}; rename the file"
                )
            yield f"--{name}={_quoted(text)}"


def help_text(program: str) -> str:
    """What `--help` prints."""
    lines = [
        f"Usage: {program} --content PHOTO --styles PAINTING [PAINTING ...] [--output RESULT] [flags]",
        f"       {program} doctor   tells what is installed, which devices and weights are found, what is missing",
        f"       {program} doctor --size 6000x4000 [flags]   tells how such a picture would be computed, in what",
        "           memory and time",
        f"       {program} weights  tells which weights there are and which are here",
        f"       {program} weights fetch NAME   fetches some ahead of time",
        f"       {program} bench    measures speed and memory: [eval] [optimizer] [startup] [quality] [tiles]",
        "           [memory] [--width N ...] [--repeats N] [--short] [--weights W] [--precision P]",
        "           [--content PHOTO] [--style PAINTING] [--pictures FOLDER]",
        "           [--json FILE]",
        "",
        "Dashes and underscores in names are the same. Lists: --styles a.jpg b.jpg, or --styles=a.jpg --styles=b.jpg.",
        "",
        "Flag files:",
        "  --flagfile FILE: Read flags from a file, one per line; what the command line says wins.",
    ]
    for group, options in _groups():
        lines += ["", f"{group}:"]
        for option in options:
            names = ", ".join(f"--{name}" for name in (option.name, option.alias) if name)
            text = f"{names}{_value_hint(option)}: {option.help}{_default_note(option)}"
            lines += textwrap.wrap(text, 110, initial_indent="  ", subsequent_indent="      ")
    return "\n".join([*lines, "", "  --help: Print this.", "  --version: Print the version.", ""])


def markdown_table() -> str:
    """The README's table of flags."""
    lines = ["| flag | default | meaning |", "|---|---|---|"]
    for group, options in _groups():
        lines.append(f"| **{group}** | | |")
        for option in options:
            names = ", ".join(f"`--{name}`" for name in (option.name, option.alias) if name)
            default = "required" if option.required else _shown(option.default)
            bounds = f" ({_limits(option)})" if _limits(option) else ""
            meaning = f"{option.help}{bounds}".replace("<", "&lt;")
            lines.append(f"| {names} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _gather(tokens: Sequence[str], folder: Path | None, files: tuple[Path, ...]) -> dict[str, list[str]]:
    """Texts given for each option by tokens and by the flag files that they name.

    Args:
        tokens: arguments; in those from a file, each line is one token.
        folder: of the flag file that the tokens come from; None for the command line.
        files: the flag files being read, outermost first.
    """
    own: dict[str, list[str]] = {}
    nested: dict[str, list[str]] = {}
    for flag, given in _flags_of(tokens, in_file=folder is not None):
        if flag == _FLAGFILE:
            if not given:
                raise UsageError(f"--{_FLAGFILE}: expected a file after it, got nothing")
            for path in given:
                nested.update(_read_flagfile(path, folder, files))
            continue
        option, texts = _recognised(flag, given)
        if option.is_list:
            own.setdefault(option.name, []).extend(texts)
        else:
            own[option.name] = texts
    return nested | own


def _values(texts: Mapping[str, list[str]]) -> dict[str, Any]:
    """Values of options by name, of their types, from the texts given for them."""
    values = _absl_flags()
    for name, given in texts.items():
        try:
            values[name].parse(given if OPTIONS[name].is_list else given[-1])
        except (flags.Error, ValueError) as error:
            kind = "one of " + ", ".join(OPTIONS[name].choices) if OPTIONS[name].choices else _kind(OPTIONS[name])
            raise UsageError(f"--{name}: expected {kind}, got {' '.join(given)!r}") from error
    return {name: values[name].value for name in texts}


def _flags_of(tokens: Sequence[str], in_file: bool) -> Iterator[tuple[str, list[str]]]:
    """Each flag's name, in underscores, with the texts given for it."""
    position = 0
    while position < len(tokens):
        token = tokens[position]
        match = re.match(r"--?([A-Za-z][\w-]*)(=|\s+|$)" if in_file else r"--?([A-Za-z][\w-]*)(=|$)", token)
        if not match:
            raise UsageError(
                f"expected a flag such as --content, got {token!r}; "
                "lists are written --styles a.jpg b.jpg, and --help lists all flags"
            )
        name, rest = match[1].replace("-", "_"), token[match.end() :]
        position += 1
        if match[2] == "=":
            yield name, [_unquoted(rest) if in_file else rest]
        elif in_file:
            yield name, _split(rest) if _takes_list(name) else [_unquoted(rest)] if rest else []
        else:
            end = position
            while end < len(tokens) and _is_value(tokens[end]) and (end == position or _takes_list(name)):
                end += 1
            if _takes_none(name) and not (end > position and tokens[position].lower() in ("true", "false")):
                end = position
            yield name, list(tokens[position:end])
            position = end


def _read_flagfile(text: str, folder: Path | None, files: tuple[Path, ...]) -> dict[str, list[str]]:
    """Read one flag file; a relative path is looked for beside the file that names it, then in the current folder."""
    places = [place / text for place in (folder, Path()) if place is not None]
    path = Path(os.path.realpath(next((place for place in places if os.path.isfile(place)), places[-1])))
    if path in files:
        raise UsageError(f"--{_FLAGFILE}: {text!r} includes itself; take the line out")
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"--{_FLAGFILE}: expected a readable text file, got {text!r}: {reason}") from error
    try:
        texts = _gather([line for line in map(_without_comment, lines) if line], path.parent, (*files, path))
        _values(texts)  # so that a mistake is told with the name of the file
        return texts
    except UsageError as error:
        raise UsageError(f"in {text!r}: {error}") from error


def _recognised(flag: str, texts: list[str]) -> tuple[Option, list[str]]:
    """The option that a flag names, with its texts; `--nooverwrite` becomes `overwrite` with "false"."""
    if flag in _SWITCHES and not texts:
        return _SWITCHES[flag], ["false"]
    if flag not in _NAMES:
        known = [*_NAMES, _FLAGFILE, "help", "version"]
        if flag in known:
            raise UsageError(f"--{flag}: expected nothing after it, got {' '.join(texts)!r}")
        near = [
            *(name for name in known if name.startswith(flag)),
            *difflib.get_close_matches(flag, known, cutoff=0.75),
            *(name for name in known if flag.startswith(name)),
            *difflib.get_close_matches(flag, known),
        ]
        hint = f"did you mean --{near[0]}?" if near else "--help lists all flags"
        raise UsageError(f"unknown flag --{flag}; {hint}")
    option = _NAMES[flag]
    if not texts and option.type is bool:
        texts = ["true"]
    if not texts:
        raise UsageError(f"--{option.name}: expected {_kind(option)} after it, got nothing")
    return option, texts


def _absl_flags() -> flags.FlagValues:
    """Flags of their own, apart from those that absl and TensorFlow define for themselves."""
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
            flags.DEFINE_enum(option.name, option.default, option.choices, option.help, flag_values=values)
        else:
            define = (multi if option.is_list else single)[option.type]
            define(option.name, option.default, option.help, flag_values=values)
    values.mark_as_parsed()
    return values


def _takes_list(name: str) -> bool:
    return name in _NAMES and _NAMES[name].is_list


def _takes_none(name: str) -> bool:
    return name in _SWITCHES or (name in _NAMES and _NAMES[name].type is bool)


def _is_value(token: str) -> bool:
    """Whether a token is no flag: it does not begin with a dash, or is a negative number."""
    return not token.startswith("-") or re.fullmatch(r"-[\d.].*", token) is not None


def _without_comment(line: str) -> str:
    """A flag file's line without a comment: all of it after `#` or `//`, or what follows ` #` and any double quotes."""
    line = line.strip()
    if line.startswith(("#", "//")):
        return ""
    before, quote, after = line.rpartition('"')
    return before + quote + re.split(r"\s#", after)[0].rstrip()


def _split(text: str) -> list[str]:
    """Words of a line, in quotes where they hold spaces. Backslashes are kept, for Windows's paths."""
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    try:
        return list(lexer)
    except ValueError as error:
        raise UsageError(f"expected closed quotes, got {text!r}") from error


def _unquoted(text: str) -> str:
    """Text without the quotes around it, if it has them."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _quoted(text: str) -> str:
    """Text as `_unquoted` and `_without_comment` give it back."""
    return f'"{text}"' if re.search(r"""\s#|["']$|^["'\s]|\s$""", text) else text


def _groups() -> Iterable[tuple[str, list[Option]]]:
    groups: dict[str, list[Option]] = {}
    for option in OPTIONS.values():
        groups.setdefault(option.group, []).append(option)
    return groups.items()


def _kind(option: Option) -> str:
    """What a flag's text must be, in words."""
    words = {str: "a value", int: "a whole number", float: "a number", bool: "true or false"}[option.type]
    return f"{words} (or several, with spaces between)" if option.is_list else words


def _value_hint(option: Option) -> str:
    if option.type is bool:
        return ""
    word = "|".join(option.choices) or {int: "N", float: "X"}.get(option.type, "FILE" if option.is_path else "TEXT")
    return f" {word} [{word} ...]" if option.is_list else f" {word}"


def _limits(option: Option) -> str:
    return " or ".join(option.choices) or option.bounds or ""


def _default_note(option: Option) -> str:
    limits = f" [{option.bounds}]" if option.bounds else ""
    if option.required or option.default is None or option.type is bool:
        return limits
    return f"{limits} (default: {_shown(option.default, quote='')})"


def _shown(default: Any, quote: str = "`") -> str:
    """A default as the reader would write it."""
    if default is None or default is False:
        return ""
    items = default if isinstance(default, tuple) else (default,)
    return quote + " ".join(f"{item:g}" if isinstance(item, float) else str(item) for item in items) + quote
