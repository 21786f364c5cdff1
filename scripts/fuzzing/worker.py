"""A process that reads one file after another and says how each went."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import logging
import os
import sys
import time
import traceback
import warnings
from multiprocessing.connection import Connection

import psutil

from neural_style.errors import NeuralStyleError

MOST_GROWTH = 2**30
"""Most bytes that a case may add to the memory of its process."""

_ROOM = 4 * MOST_GROWTH
"""Bytes that the process may allocate in addition to what it begins with. More is a MemoryError, which is a finding."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """How a case went."""

    outcome: str
    """`read`, `refused`, or the name of a finding."""
    text: str = ""
    """The message or traceback."""
    seconds: float = 0.0
    """Seconds of a processor that it took."""
    growth: int = 0
    """Bytes by which the peak of the process's memory exceeds what it had at first."""


def work(module: str, connection: Connection) -> None:
    """Read the files whose paths come through a connection, and send an `Answer` about each. Ends with the parent.

    Args:
        module: name of the module of the target.
        connection: to the parent.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries in C print what they think of damaged files
    read, lines = importlib.import_module(module).read, _Lines()
    logging.getLogger("neural_style").addHandler(lines)
    warnings.showwarning = lambda *_, **__: None
    baseline = psutil.Process().memory_info()
    _limit(baseline.vms + _ROOM)
    connection.send(Answer("ready"))
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            path = connection.recv()
            lines.clear()
            _forget_peak()
            begin = time.process_time()
            outcome, text = _outcome(read, path)
            seconds, growth = time.process_time() - begin, max(0, _peak() - baseline.rss)
            bad = next((line for line in lines if not _is_one_line(line)), None)
            if bad is not None and outcome in ("read", "refused"):
                outcome, text = "note of several lines", repr(bad)
            if growth > MOST_GROWTH and outcome in ("read", "refused"):
                outcome, text = "memory", f"{growth / 2**20:.0f} MiB"
            connection.send(Answer(outcome, text, seconds, growth))


def _outcome(read: object, path: str) -> tuple[str, str]:
    """Read a file; return the outcome and what was said."""
    try:
        read(path)  # type: ignore[operator]
    except NeuralStyleError as error:
        if error.exit_code != 2:
            return "wrong exit code", repr(error)
        return ("refused" if _is_one_line(str(error)) else "message of several lines"), str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return type(error).__name__, traceback.format_exc()
    return "read", ""


def _is_one_line(text: str) -> bool:
    return text.isprintable() and len(text) < 2000


class _Lines(logging.Handler, list):
    """The messages of a case."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self.append(record.getMessage())

    __hash__ = object.__hash__


def _limit(size: int) -> None:
    """Limit the memory of this process, where the system can."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size, resource.getrlimit(resource.RLIMIT_AS)[1]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _forget_peak() -> None:
    """Reset the peak of this process's memory, which only Linux can. Elsewhere it is that of all cases so far."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def _peak() -> int:
    """Return the peak of this process's memory in bytes."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
