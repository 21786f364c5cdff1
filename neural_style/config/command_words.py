"""Command lines that can be pasted, from the values of options."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from neural_style.config.config import OPTIONS
from neural_style.config.embedded import is_plain


def program() -> str:
    """Return how the program was called: by the name of its script, or as a module."""
    return "neural-style" if Path(sys.argv[0]).stem == "neural-style" else "python -m neural_style"


def command(values: Mapping[str, Any]) -> str:
    """Return the command line that gives options these values, quoted for a shell.

    Args:
        values: values by name of the option. Those that are defaults are left out.
    """
    return " ".join([program(), *map(quoted, words(values))])


def words(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the arguments that give options these values, as `flags.parse` takes them."""
    for name, value in values.items():
        option = OPTIONS.get(name)
        if option is not None and (value is None or option.default == value):
            continue
        if isinstance(value, bool):
            yield f"--{name}" if value else f"--no{name}"
            continue
        texts = [str(each) for each in (value if isinstance(value, (list, tuple)) else (value,))]
        if any(re.match("-[^0-9.]", text) for text in texts):
            yield from (f"--{name}={text}" for text in texts)
        else:
            yield from (f"--{name}", *texts)


def quoted(word: str) -> str:
    """Return a word as a shell reads it, without any character that controls a terminal.

    The form `$'...'`, for words with such characters, is that of bash, zsh and ksh.
    """
    if is_plain(word):
        return shlex.quote(word)
    letters = (chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}" for byte in os.fsencode(word))
    return f"$'{''.join(letters)}'"
