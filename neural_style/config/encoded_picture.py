"""A picture as the bytes of a file, for one that has no name, such as one read from standard input."""

from __future__ import annotations

import dataclasses
import functools
import hashlib


@dataclasses.dataclass(frozen=True)
class EncodedPicture:
    """The bytes of a picture file of any format that can be read. It stands for a picture wherever a path does."""

    data: bytes = dataclasses.field(repr=False)
    """The whole file."""
    name: str = dataclasses.field(compare=False)
    """What messages and metadata call it."""
    stem: str = dataclasses.field(compare=False)
    """What stands for it in the default name of a result."""

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hex."""
        return hashlib.sha256(self.data).hexdigest()
