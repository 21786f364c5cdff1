"""Keeping back what libraries write to standard error where nothing is wrong."""

import contextlib
import os
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def kept_back(descriptor: int) -> Iterator[None]:
    """Keep back what is written to a file descriptor, and let it out only after an error."""
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
