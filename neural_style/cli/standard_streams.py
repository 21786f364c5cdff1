"""Standard input and output as pictures: what a dash alone stands for on the command line."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

from neural_style.config.config import OPTIONS, Config
from neural_style.config.encoded_picture import EncodedPicture
from neural_style.errors import ImageError, OutputError, UsageError

DASH = "-"
"""Stands for standard input among pictures, and for standard output as `output`. `./-` is a file of that name."""

INPUT, OUTPUT = "standard input", "standard output"
"""How messages name the streams."""

_CHUNK = 2**20
_BYTES_PER_PIXEL = 16
"""Bytes that a pixel of a file takes at most: four channels of 32 bits, not compressed."""
_OTHER_BYTES = 2**26
"""Bytes of a file that may be anything else, such as metadata."""


def check(config: Config) -> None:
    """Check what a configuration asks of standard input and output, before any of it is read or written.

    Raises:
        UsageError: several pictures shall be read from standard input, which is a terminal or closed, or a flag file
            is asked for, which cannot repeat what was read; or a file is asked for that needs a name beside it.
        OutputError: standard output is a terminal or closed, or cannot be repeated as a file.
    """
    readers = [name for name, _ in pictures_to_read(config)]
    if len(readers) > 1:
        raise UsageError(
            f"{readers[-1]}: expected one picture from {INPUT}, got another after that of --{readers[0]}; "
            "give the others by name"
        )
    if config.save_flags == DASH:
        raise UsageError("save_flags: expected the name of a file, got '-'; write ./- for a file of that name")
    if readers and config.save_flags is not None:
        raise UsageError(
            f"save_flags: expected pictures with names, got --{readers[0]} from {INPUT}, which a flag file cannot "
            "repeat; save the picture to a file, or leave --save_flags out"
        )
    if is_output(config):
        for name in ("progress_write", "progress_plot"):
            if getattr(config, name):
                raise UsageError(
                    f"{name}: expected a result with a name, beside which it is written, got {OUTPUT}; "
                    f"give --output FILE, or leave --{name} out"
                )
        _check_output()
    if readers:
        _check_input(readers[0])


def is_output(config: Config) -> bool:
    """Return whether the result is to be written to standard output."""
    return config.output == DASH


def pictures_to_read(config: Config) -> Iterator[tuple[str, Any]]:
    """Yield the name of an option, and its value, for each picture that is to be read from standard input."""
    for name, option in OPTIONS.items():
        if option.is_picture:
            value = getattr(config, name)
            yield from ((name, value) for each in (value if isinstance(value, tuple) else (value,)) if is_dash(each))


def is_dash(value: Any) -> bool:
    """Return whether a value of an option is a dash alone."""
    return isinstance(value, str) and value == DASH


# --- standard input ---------------------------------------------------------------------------------------------------


def _check_input(option: str) -> None:
    stream = sys.stdin
    if stream is None or stream.closed:
        raise UsageError(f"{option}: expected a picture on {INPUT}, which is closed; pipe one in, or give its name")
    if stream.isatty():
        raise UsageError(
            f"{option}: expected a picture on {INPUT}, got a terminal; pipe one in, as in cat photo.jpg | …, or give "
            "its name"
        )


def with_input(config: Config) -> Config:
    """Read standard input to its end if a picture is to be read from there, and put what was read in its place.

    Raises:
        ImageError: standard input is empty, has more bytes than a picture of `max_pixels` pixels, or cannot be read.
    """
    for name, value in pictures_to_read(config):
        picture = EncodedPicture(_read(name, config.max_pixels), INPUT, "stdin")
        several = isinstance(value, tuple)
        replaced: Any = tuple(picture if is_dash(each) else each for each in value) if several else picture
        return dataclasses.replace(config, **{name: replaced})
    return config


def _read(option: str, max_pixels: int) -> bytes:
    most, data = max_pixels * _BYTES_PER_PIXEL + _OTHER_BYTES, io.BytesIO()
    try:
        while chunk := sys.stdin.buffer.read(_CHUNK):
            data.write(chunk)
            if data.tell() > most:
                raise ImageError(
                    f"{option}: expected a picture of at most {max_pixels} pixels on {INPUT}, got more than {most} "
                    "bytes; shrink it, or raise --max_pixels"
                )
    except OSError as error:
        raise ImageError(f"{option}: {INPUT} cannot be read ({_reason(error)}); give the name of a picture") from error
    if not data.tell():
        raise ImageError(f"{option}: expected a picture on {INPUT}, got nothing (0 bytes); pipe a whole one in")
    return data.getvalue()


# --- standard output --------------------------------------------------------------------------------------------------


def _check_output() -> None:
    if not hasattr(sys.stdout, "buffer") or sys.stdout.closed:
        raise OutputError(f"output: expected a pipe or a file as {OUTPUT}, which is closed; give the name of a file")
    if sys.stdout.isatty():
        raise OutputError(
            f"output: expected a pipe or a file as {OUTPUT}, got a terminal, which shows no pictures; add "
            "> painted.png, or give the name of a file"
        )


@contextlib.contextmanager
def output_alone() -> Iterator[IO[bytes]]:
    """Yield standard output for bytes. Whatever else the process writes there goes to standard error meanwhile.

    That holds for code in other languages, too, such as TensorFlow's.
    """
    sys.stdout.flush()
    stream, number = sys.stdout.buffer, _descriptor(sys.stdout)
    with contextlib.redirect_stdout(sys.stderr):
        if number is None:
            yield stream
            return
        kept = os.dup(number)
        try:
            _send_to_standard_error(number)
            if hasattr(os, "set_blocking") and os.name != "nt":
                os.set_blocking(kept, True)  # a pipe to some programs is not, and would take only part of a picture
            alone = os.fdopen(kept, "wb", closefd=False)
            try:
                yield alone
            finally:
                with contextlib.suppress(OSError):  # of a closed pipe, which was noticed when the picture was written
                    alone.close()
        finally:
            os.dup2(kept, number)
            os.close(kept)


def _descriptor(stream: Any) -> int | None:
    """Return the number that the system has for a stream; None for a stream in memory."""
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _send_to_standard_error(number: int) -> None:
    target = _descriptor(sys.stderr)
    opened = os.open(os.devnull, os.O_WRONLY) if target is None else None
    os.dup2(target if opened is None else opened, number)  # type: ignore[arg-type]
    if opened is not None:
        os.close(opened)


def failure(error: OSError) -> OutputError:
    """Return the error that says why standard output cannot be written."""
    is_closed = isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL)
    reason = "its reader has closed it" if is_closed else _reason(error)
    return OutputError(f"output: {OUTPUT} cannot be written ({reason})")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
