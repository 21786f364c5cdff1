"""Signals that end a command. They raise `Interrupted` until they are ignored, so that a result can be written."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import ClassVar


class Interrupted(BaseException):
    """A signal asked this process to stop."""

    latest: ClassVar[Interrupted | None] = None
    """The last one that was raised in this command. Native code may replace it by an error of its own."""

    def __init__(self, number: int):
        super().__init__(f"by {signal.Signals(number).name}")
        self.exit_code = 128 + number


def ending_signals() -> list[int]:
    """Return the signals of Ctrl-C, termination and a closed terminal.

    Signals that this system lacks, or that are ignored already (as with `nohup`), are left out. Outside the main
    thread, handlers cannot be set, so there are none.
    """
    if threading.current_thread() is not threading.main_thread():
        return []
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


@contextlib.contextmanager
def interruptible(*, restore: bool) -> Iterator[None]:
    """Let signals raise `Interrupted` until `ignore` is called.

    Args:
        restore: whether to restore all handlers at the end. Otherwise, signals that are ignored by then stay ignored
            while Python shuts down.
    """
    Interrupted.latest = None
    before = {number: signal.getsignal(number) for number in ending_signals()}
    _handle_with(_raise_interrupted)
    try:
        yield
    finally:
        for number, handler in before.items():
            stay_ignored = not restore and signal.getsignal(number) is _do_nothing
            signal.signal(number, signal.SIG_IGN if stay_ignored else handler)  # at its end, Python keeps only SIG_IGN


def ignore() -> None:
    """Ignore signals from now on, for example while the result is written."""
    _handle_with(_do_nothing)


def _handle_with(handler: Callable[[int, object], None]) -> None:
    for number in ending_signals():
        signal.signal(number, handler)


def _raise_interrupted(number: int, _frame: object) -> None:
    ignore()  # an impatient user's second Ctrl-C must not cost the image
    Interrupted.latest = Interrupted(number)
    raise Interrupted.latest


def _do_nothing(_number: int, _frame: object) -> None:
    """Ignore a signal. With `signal.SIG_IGN`, Python would complain about a signal that is already pending."""
