"""Signals that end a command: they raise `Interrupted`, until they are ignored so that a result can be written."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import ClassVar


class Interrupted(BaseException):
    """A signal asked this process to stop."""

    latest: ClassVar[Interrupted | None] = None
    """The one that this command raised last. Native code may take it for a failure of its own and raise another."""

    def __init__(self, number: int):
        super().__init__(f"by {signal.Signals(number).name}")
        self.exit_code = 128 + number


def ending_signals() -> list[int]:
    """Return the signals of Ctrl-C, termination and a closed terminal.

    Those that this system lacks, or that are ignored already (as `nohup` wants it), are left out. Outside of the main
    thread, where handlers cannot be set, there are none.
    """
    if threading.current_thread() is not threading.main_thread():
        return []
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


@contextlib.contextmanager
def interruptible(*, restore: bool) -> Iterator[None]:
    """Let signals raise `Interrupted`, until `ignore` is called.

    Args:
        restore: give the handlers back at the end. Otherwise ignored signals stay ignored while Python shuts down.
    """
    Interrupted.latest = None
    before = {number: signal.getsignal(number) for number in ending_signals()}
    _handle_with(_raise_interrupted)
    try:
        yield
    finally:
        for number, handler in before.items():
            stay_ignored = not restore and signal.getsignal(number) is _do_nothing
            signal.signal(number, signal.SIG_IGN if stay_ignored else handler)  # Python undoes all but SIG_IGN


def ignore() -> None:
    """From now on do not let signals interrupt anything, such as the writing of the result."""
    _handle_with(_do_nothing)


def _handle_with(handler: Callable[[int, object], None]) -> None:
    for number in ending_signals():
        signal.signal(number, handler)


def _raise_interrupted(number: int, _frame: object) -> None:
    ignore()  # an impatient user's second Ctrl-C must not cost the image
    Interrupted.latest = Interrupted(number)
    raise Interrupted.latest


def _do_nothing(_number: int, _frame: object) -> None:
    """Ignore a signal. Python complains about `signal.SIG_IGN` where a signal is on its way already."""
