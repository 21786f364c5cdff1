"""What the sessions of this process have reserved of each memory, so that no two plan with the same memory."""

from __future__ import annotations

import functools
import itertools
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType


class Reservation:
    """Memory that is reserved for one session.

    It ends with `release`, at the end of a `with` block, or when nothing refers to it any more, whichever comes first.
    """

    def __init__(self, remove: Callable[[], object], end: Callable[[], object]):
        """Take what removes the reservation, and what notes its end where that can be measured."""
        self._end = end
        self._finalizer = weakref.finalize(self, remove)
        self._finalizer.atexit = False

    def release(self) -> None:
        """Give the memory back. Calling it again does nothing."""
        if self._finalizer.alive:
            self._end()
        self._finalizer()

    def __enter__(self) -> Reservation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


@dataclass
class _Account:
    """The reservations of one memory."""

    reserved: dict[int, int] = field(default_factory=dict)
    """Number of a reservation -> its bytes."""
    baseline: int = 0
    """Bytes that the process uses while no session has taken any of the bytes reserved for it."""

    kept: int = 0
    """Bytes that the process did not give back after sessions that have ended. Later sessions take these first."""

    def total_and_taken(self, in_use: int) -> tuple[int, int]:
        """Return the bytes that all sessions have reserved, and how many of them they have taken."""
        total = sum(list(self.reserved.values()))  # a copy, since a reservation may end at any time
        return total, min(max(in_use - self.baseline, 0), total)


class Ledger:
    """The reservations of all sessions. Every method may be called from any thread.

    How much of their reservations sessions have taken is only known for all sessions together: it is what the process
    uses more than before. If something else in the process takes memory between two reservations, it looks as if a
    session had taken it. The next reservation corrects that.

    Attributes:
        lock: hold it (`with ledger.lock:`) from asking what is free until the reservation is made. Otherwise another
            thread may plan with the same memory. It is reentrant.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._accounts: dict[str, _Account] = {}
        self._first_free: dict[str, int] = {}
        self._numbers = itertools.count()

    def reserve(self, memory: str, size: int, in_use: int, measure: Callable[[], int] | None = None) -> Reservation:
        """Reserve bytes for a session.

        Args:
            memory: name of the memory, such as "CPU" or "GPU:0".
            size: bytes that the session takes at its peak, including those that it holds already.
            in_use: bytes that the process uses of this memory, excluding those that the session holds already.
            measure: returns the bytes in use, to know at the end what the process keeps; None if it keeps nothing.
        """
        with self.lock:
            account = self._accounts.setdefault(memory, _Account())
            ours = account.total_and_taken(in_use)[0] + account.kept
            account.baseline = in_use - min(max(in_use - account.baseline, 0), ours)
            number = next(self._numbers)
            account.reserved[number] = size
        # Removed without the lock: garbage collection may do it in a thread that holds the lock, at any point.
        remove = functools.partial(account.reserved.pop, number, None)
        return Reservation(remove, functools.partial(self._end, account, number, measure))

    def _end(self, account: _Account, number: int, measure: Callable[[], int] | None) -> None:
        """Note what the process keeps of a session's memory; the session has let go of it."""
        if measure is None:
            return
        with self.lock:
            size = account.reserved.get(number, 0)
            others = account.total_and_taken(0)[0] - size
            used = measure() - account.baseline
            account.kept = max(0, min(used - others, account.kept + size))

    def reusable(self, memory: str, in_use: int) -> int:
        """Return the bytes that the process keeps of sessions that have ended, and that no session has reserved.

        Args:
            memory: name of the memory.
            in_use: as in `outstanding`.
        """
        with self.lock:
            account = self._accounts.get(memory, _Account())
            total = account.total_and_taken(in_use)[0]
            return max(min(account.kept, in_use - account.baseline) - total, 0)

    def outstanding(self, memory: str, in_use: int) -> int:
        """Return the bytes that sessions have reserved and not yet taken.

        Args:
            memory: name of the memory.
            in_use: bytes that the process uses of this memory, excluding those of a session that has no reservation
                yet.
        """
        with self.lock:
            total, taken = self._accounts.get(memory, _Account()).total_and_taken(in_use)
        return total - taken

    def knows(self, memory: str) -> bool:
        """Return whether any session of this process has ever reserved memory of this name."""
        with self.lock:
            return memory in self._accounts

    def first_free(self, memory: str, free: int) -> int:
        """Return how many bytes of a memory were free when this method was first called for it.

        Args:
            memory: name of the memory.
            free: bytes that are free now.
        """
        with self.lock:
            return self._first_free.setdefault(memory, free)


LEDGER = Ledger()
"""The ledger of this process."""
