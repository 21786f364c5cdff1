"""What belongs to the whole process: the signals that end it, its cores, and what libraries write to standard error."""

import contextlib
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path


def ending_signals() -> list[int]:
    """Ctrl-C, termination and a closed terminal, as far as this system has them and they are not ignored already.

    None outside of the main thread, where handlers cannot be set.
    """
    if threading.current_thread() is not threading.main_thread():
        return []
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]  # as nohup wants it


def physical_cores() -> int | None:
    """How many of the processor's cores this process may use, each counted once; None where Linux does not tell."""
    cores = set()
    try:
        for cpu in os.sched_getaffinity(0):
            siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
            cores.add(siblings.read_text(encoding="ascii"))
    except (AttributeError, OSError):
        return None
    return len(cores)


@contextlib.contextmanager
def quiet_import() -> Iterator[None]:
    """Keep back what libraries write to standard error while they are imported, and let it out only after an error.

    TensorFlow logs no more later on either, unless the environment says so.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    descriptor = 2  # not sys.stderr, which native code passes by
    try:
        log = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed below
        original = os.dup(descriptor)
    except OSError:  # there is no place to keep it, or the descriptor is closed
        yield
        return
    with log:
        os.dup2(log.fileno(), descriptor)
        try:
            yield
        except Exception:
            log.seek(0)
            os.write(original, log.read())
            raise
        finally:
            os.dup2(original, descriptor)
            os.close(original)
