"""The text of `--help`, and the table of flags for the documents."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from neural_style.config import presets
from neural_style.config.config import OPTIONS
from neural_style.config.fields import Option
from neural_style.web import options as web_options

_INTRODUCTION = """\
Usage: {program} --content PHOTO --styles PAINTING [PAINTING ...] [--output RESULT] [flags]
           Paint a photo in the style of one or more paintings.
       {program} --size 1024x1024 --styles PAINTING [PAINTING ...] [--seamless] [flags]
           Make a texture without a photo.
       {program} --resume FOLDER [flags]
           Go on with a run that keeps its checkpoints in a --workdir. Length, outputs and reports may change.
       {program} sweep --content PHOTO --styles PAINTING --vary NAME=V1,V2,... [--vary ...] [flags]
           Paint every combination of some options, small, on one labeled contact sheet.
       {program} sheet --content PHOTO [PHOTO ...] --styles PAINTING [PAINTING ...] [flags]
           Paint each photo in each style, small, on one contact sheet. Both may be folders.
       {program} figure --content PHOTO --styles PAINTING [flags]
           Rebuild the photo and the painting from the layers of the network, as in Gatys et al., Figure 1.
       {program} recolor PAINTED --content PHOTO --color luminance|match|histogram [--color_space S]
           [--color_transfer T] [--color_mask FILE] [--output RESULT] [--overwrite] [--bit_depth N]
           Give a finished picture the colors of its photo, without a run.
       {program} blend PAINTED --content PHOTO --amount X [--output RESULT] [--overwrite] [--bit_depth N]
           Lay a finished picture over its photo: X is the share of the picture, 0 to 1.
       {program} rerun PAINTED [--yes] [flags]
           Show the command that made a picture, from its metadata, changed by flags; run it with --yes.
       {program} web [--host H] [--port N] [--auth USER:PASSWORD] [--open] [flags]
           Serve a page to paint with in the browser; docs/web.md lists its flags.
       {program} doctor
           Show versions, devices and weights, and what is missing.
       {program} doctor --size 6000x4000 [flags]
           Show how a picture of that size would be computed, in what memory and time.
       {program} weights
           List the weights that can be used, and which of them are here.
       {program} weights fetch NAME
           Download weights ahead of time.
       {program} bench [eval] [optimizer] [startup] [quality] [tiles] [memory] [--width N ...]
           [--repeats N] [--short] [--weights W] [--precision P] [--preset NAME] [--content PHOTO]
           [--style PAINTING] [--pictures FOLDER] [--json FILE]
           Measure speed and memory; quality also makes the classic run, and judges pictures.
       {program} completion bash|zsh|fish
           Print a script with which the shell completes flags and their values.

Names of flags: dashes and underscores are the same. Switches: --overwrite, --overwrite=false, --nooverwrite.
Lists: --styles a.jpg b.jpg, or --styles=a.jpg --styles=b.jpg.
Pipes: --content - reads the picture from standard input, and --output - writes a PNG to standard output.
Paths: ~ and ~user at the beginning stand for a home folder; write ./~name for a file of that name.

Presets:
  --preset NAME: Begin with the options of a preset; flags and flag files take precedence. The presets are
      {presets}.
  --preset help: List the presets, one line each.

Flag files:
  --flagfile FILE: Read flags from a file, one per line; flags on the command line take precedence.
  --yes: Let a flag file name output files outside of the current folder. Only on the command line.
"""

_END = """
Other flags:
  --help: Show this text.
  --version: Show the version.
"""


def help_text(program: str) -> str:
    """Return what `--help` prints.

    Args:
        program: the name under which the program was called.
    """
    lines = []
    for group, options in _groups():
        lines += ["", f"{group}:"]
        for option in options:
            names = ", ".join(f"--{name}" for name in (option.name, option.alias) if name)
            text = f"{names}{_value_hint(option)}: {option.help}{_default_note(option)}"
            lines += textwrap.wrap(text, 110, initial_indent="  ", subsequent_indent="      ")
    return _INTRODUCTION.format(program=program, presets=", ".join(presets.names())) + "\n".join([*lines, ""]) + _END


def preset_list() -> str:
    """Return what `--preset help` prints: each preset in one line."""
    width = max(map(len, presets.names()))
    return "".join(f"{name:{width}}  {presets.summary(name)}\n" for name in presets.names())


def markdown_table() -> str:
    """Return the table of flags in Markdown."""
    lines = ["| flag | default | meaning |", "|---|---|---|"]
    for group, options in _groups():
        lines.append(f"| **{group}** | | |")
        lines += _rows(options)
    return "\n".join(lines) + "\n"


def web_table() -> str:
    """Return the table of the flags of the page in Markdown."""
    return "\n".join(["| flag | default | meaning |", "|---|---|---|", *_rows(web_options.FLAGS.values())]) + "\n"


def _rows(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        names = ", ".join(f"`--{name}`" for name in (option.name, option.alias) if name)
        default = option.required or _shown(option.default)
        bounds = f" ({_limits(option)})" if _limits(option) else ""
        meaning = f"{option.help}{bounds}".replace("<", "&lt;")
        yield f"| {names} | {default} | {meaning} |"


def _groups() -> Iterable[tuple[str, list[Option]]]:
    groups: dict[str, list[Option]] = {}
    for option in OPTIONS.values():
        groups.setdefault(option.group, []).append(option)
    return groups.items()


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
    """Return a default value as the user would write it."""
    if default is None or default is False:
        return ""
    items = default if isinstance(default, tuple) else (default,)
    return quote + " ".join(f"{item:g}" if isinstance(item, float) else str(item) for item in items) + quote
