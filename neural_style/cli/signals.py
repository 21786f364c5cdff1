"""Signals that end a command: the first one ends it in good order, and one more ends it at once.

At first, a signal raises `Interrupted`. Within `canceling`, it only calls a function, so that a run ends between two
steps with its state whole. After `ignore`, the first one does nothing, so that a result is written to its end.

A thread of its own sees every signal at once, even while native code keeps the main thread busy.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import ClassVar

from neural_style.cli.console import say

GRACE = 0.5
"""Seconds after the first signal within which others belong to it: some senders send several."""


class Interrupted(BaseException):
    """A signal asked this process to stop."""

    latest: ClassVar[Interrupted | None] = None
    """The first one of this command; None if there was none."""

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
    """Let signals raise `Interrupted` until `ignore` is called, and let a later one end the process at once.

    Args:
        restore: whether to restore all handlers at the end. Otherwise, signals that are ignored by then stay ignored
            while Python shuts down.
    """
    Interrupted.latest = Messages.current = None
    before = {number: signal.getsignal(number) for number in ending_signals()}
    _handle_with(_raise_interrupted)
    with _impatience(list(before)):
        try:
            yield
        finally:
            for number, handler in before.items():
                stay_ignored = not restore and signal.getsignal(number) is _do_nothing
                signal.signal(number, signal.SIG_IGN if stay_ignored else handler)  # at its end, Python keeps only this


@dataclasses.dataclass(frozen=True)
class Messages:
    """What is said of signals, at once, even while native code keeps the main thread busy."""

    first: str
    """Of the first one."""
    last: Callable[[], str]
    """Makes what is said of one more, which ends the process."""

    current: ClassVar[Messages | None] = None
    """Those that hold now."""


@contextlib.contextmanager
def canceling(cancel: Callable[[], object], messages: Messages | None = None) -> Iterator[None]:
    """Let a signal call a function, and raise nothing. `Interrupted.latest` then tells which it was.

    Afterward, signals are ignored.

    Args:
        cancel: the function.
        messages: what is said of signals from now on, until the command ends.
    """
    Messages.current = messages

    def handle(number: int, _frame: object) -> None:
        if Interrupted.latest is None:
            Interrupted.latest = Interrupted(number)
            cancel()

    _handle_with(handle)
    try:
        yield
    finally:
        ignore()


def ignore() -> None:
    """Ignore the next signal, for example while the result is written."""
    _handle_with(_do_nothing)


@contextlib.contextmanager
def _impatience(numbers: list[int]) -> Iterator[None]:
    """End the process at once if one of these signals comes more than `GRACE` seconds after the first of them."""
    if not numbers:
        yield
        return
    watched, told = socket.socketpair()  # a pipe would not do on Windows
    told.setblocking(False)
    before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(watched, frozenset(numbers)), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        told.close()  # which ends the thread


def _watch(watched: socket.socket, numbers: frozenset[int]) -> None:
    first: float | None = None
    with watched:
        while received := watched.recv(64):
            for number in numbers.intersection(received):
                now = time.monotonic()
                if first is None:
                    first = now
                    if Messages.current is not None:
                        say(Messages.current.first)
                elif now - first > GRACE:
                    if Messages.current is not None:
                        say(Messages.current.last())
                    os._exit(128 + number)


def _handle_with(handler: Callable[[int, object], None]) -> None:
    for number in ending_signals():
        signal.signal(number, handler)


def _raise_interrupted(number: int, _frame: object) -> None:
    ignore()  # what is closed on the way out is closed to its end
    Interrupted.latest = Interrupted(number)
    raise Interrupted.latest


def _do_nothing(_number: int, _frame: object) -> None:
    """Ignore a signal. With `signal.SIG_IGN`, Python would complain about a signal that is already pending."""
