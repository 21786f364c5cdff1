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

    def __init__(self, remove: Callable[[], object]):
        self._finalizer = weakref.finalize(self, remove)
        self._finalizer.atexit = False

    def release(self) -> None:
        """Give the memory back. Calling it again does nothing."""
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

    def reserve(self, memory: str, size: int, in_use: int) -> Reservation:
        """Reserve bytes for a session.

        Args:
            memory: name of the memory, such as "CPU" or "GPU:0".
            size: bytes that the session takes at its peak, including those that it holds already.
            in_use: bytes that the process uses of this memory, excluding those that the session holds already.
        """
        with self.lock:
            account = self._accounts.setdefault(memory, _Account())
            account.baseline = in_use - account.total_and_taken(in_use)[1]
            number = next(self._numbers)
            account.reserved[number] = size
        # Removed without the lock: garbage collection may do it in a thread that holds the lock, at any point.
        return Reservation(functools.partial(account.reserved.pop, number, None))

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
