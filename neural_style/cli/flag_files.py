"""Flag files: read their lines, and write the flags that repeat a run.

A flag file is UTF-8 text with one flag per line, written as on the command line. A line that begins with `#` or `//` is
a comment, and so is everything after ` #` on a line.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from neural_style.cli.standard_streams import DASH
from neural_style.config import kinds, templates
from neural_style.config.config import OPTIONS, Config
from neural_style.config.defaults import STARTS
from neural_style.errors import UsageError

FLAG = "flagfile"
"""Name of the flag that reads a flag file."""

MOST_BYTES, MOST_LINES, MOST_FILES, DEEPEST = 1_000_000, 10_000, 100, 10
"""Limits of flag files: bytes and lines of each, how many one command line reads, and how deep they name others."""


def locate(named: str, folder: Path | None) -> Path:
    """Return the path of a flag file, with all links resolved.

    Args:
        named: path of the file as given. A relative path is searched in the folder of the file that names it, and then
            in the current folder.
        folder: folder of the file that names it; None for the command line.

    Raises:
        UsageError: no file can have that name.
    """
    places = [Path(place) / os.path.expanduser(named) for place in (folder, Path()) if place is not None]
    try:
        place = next((place for place in places if os.path.isfile(place)), places[-1])
        resolved = Path(os.path.realpath(place))
    except ValueError as error:  # a NUL character, or letters that the encoding of file names lacks
        raise _unreadable(named, "it is not a possible file name") from error
    return resolved if os.path.exists(resolved) else place  # an open pipe has no other name


class Reader:
    """Reads the flag files of one command line, which limits their number."""

    def __init__(self) -> None:
        """Begin without any."""
        self._left = MOST_FILES

    def read(self, path: Path, named: str, outer: Sequence[Path]) -> list[str]:
        """Return the lines of a flag file; see `read_lines`.

        Args:
            path: path of the file.
            named: its name for messages.
            outer: the flag files that name it, outermost first.

        Raises:
            UsageError: the file cannot be read, names itself or is not a regular file, or there are too many.
        """
        if path in outer:
            raise UsageError(f"--{FLAG}: {named!r} includes itself; take the line out")
        if len(outer) >= DEEPEST:
            raise UsageError(f"--{FLAG}: expected files that name others at most {DEEPEST} deep, got {named!r}")
        if outer and os.path.exists(path) and not os.path.isfile(path):
            raise _unreadable(named, "a flag file may only name regular files")
        self._left -= 1
        if self._left < 0:
            raise UsageError(f"--{FLAG}: expected at most {MOST_FILES} files to be read, got {named!r} as well")
        return read_lines(path, named)


def read_lines(path: Path, named: str) -> list[str]:
    """Return the lines of a flag file without comments and blank lines.

    Args:
        path: path of the file.
        named: its name for messages.

    Raises:
        UsageError: the file cannot be read, is too large, or is not UTF-8 text.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        text = data[:MOST_BYTES].decode("utf-8-sig") if len(data) <= MOST_BYTES else ""
    except (OSError, ValueError) as error:
        raise _unreadable(named, getattr(error, "strerror", None) or "it is not UTF-8 text") from error
    if len(data) > MOST_BYTES:
        raise _unreadable(named, f"it has more than {MOST_BYTES} bytes")
    if "\0" in text:
        raise _unreadable(named, "it is not text, since it has NUL characters")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) > MOST_LINES:
        raise _unreadable(named, f"it has more than {MOST_LINES} lines")
    return [_read_in_this_locale(line) for line in map(_without_comment, lines) if line]


def _unreadable(named: str, reason: str) -> UsageError:
    return UsageError(f"--{FLAG}: expected a readable text file, got {named!r}: {reason}")


def _read_in_this_locale(line: str) -> str:
    """Return a line with file names in the encoding of the locale, if that is not UTF-8."""
    try:
        os.fsencode(line)
    except UnicodeEncodeError:
        return os.fsdecode(line.encode())
    return line


def _written_as_utf8(text: str) -> str:
    """Return a text with file names decoded as UTF-8, if possible. `_read_in_this_locale` reverses this."""
    try:
        return os.fsencode(text).decode()
    except UnicodeDecodeError:
        return text


def _without_comment(line: str) -> str:
    """Return a line without its comment; ` #` in double quotes does not begin a comment."""
    line = line.strip()
    if line.startswith(("#", "//")):
        return ""
    before, quote, after = line.rpartition('"')
    return before + quote + re.split(r"\s#", after)[0].rstrip()


def split(text: str) -> list[str]:
    """Split the value of a list into words, which may be quoted. Keep backslashes, which Windows paths contain.

    Raises:
        UsageError: a quote is not closed.
    """
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    try:
        return list(lexer)
    except ValueError as error:
        raise UsageError(f"expected closed quotes, got {text!r}") from error


def unquoted(text: str) -> str:
    """Return the text without the quotes around it, if there are any."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _quoted(text: str) -> str:
    """Return the text in a form that `_without_comment` and `unquoted` turn back into the text."""
    return f'"{text}"' if re.search(r"""\s#|["']$|^["'\s]|\s$""", text) else text


def lines_that_repeat(config: Config, resolved: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of a flag file that repeats a run: every option in effect, one per line, with absolute paths.

    Args:
        config: the run.
        resolved: texts that replace the values of some options, such as the file that `--weights=auto` found.

    Raises:
        UsageError: a flag file cannot hold a value: it has a line break, or is not Unicode text.
    """
    for name, option in OPTIONS.items():
        value = resolved.get(name, getattr(config, name))
        if value is None or name == "save_flags" or name in kinds.idle(config):
            continue
        if option.type is bool:
            yield f"--{name}" if value else f"--no{name}"
            continue
        for item in value if option.is_list else (value,):
            text = _written_as_utf8(_absolute(name, item) if option.is_path else str(item))
            if re.search("[\n\r\ud800-\udfff]", text):  # the surrogates stand for bytes that are not text
                raise UsageError(
                    f"save_flags: expected values that fit on one line of Unicode text, got --{name}={text!r}; rename "
                    "the file, or leave --save_flags out"
                )
            yield f"--{name}={_quoted(text)}"


def _absolute(name: str, path: str) -> str:
    """Return an absolute path; for `init`, maybe the name of a start, and for `output` a dash, standard output."""
    if (name == "init" and path in STARTS) or (name == "output" and path == DASH):
        return path
    return templates.absolute(path, "save_flags") if name == "checkpoint_output" else os.path.abspath(path)
