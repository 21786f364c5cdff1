"""Damages files in the ways that break readers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

MOST_BYTES = 2**16
"""A damaged file is cut to this length."""

_BYTES = (0, 1, 2, 3, 4, 8, 16, 32, 63, 64, 100, 127, 128, 129, 192, 254, 255)
_NUMBERS = (0, 1, 2, 255, 256, 1000, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)


def mutated(seed: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Return a damaged copy of a file.

    Args:
        seed: the file.
        others: files to take parts from.
        chance: decides.
    """
    data = bytearray(seed)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4, 8))):
        if len(data) < 2:
            break
        chance.choice(_WAYS)(data, others, chance)
    return bytes(data[:MOST_BYTES])


def _place(data: bytearray, chance: random.Random) -> int:
    """Return an offset. Beginnings are preferred, because headers are there."""
    near = min(len(data), chance.choice((16, 64, 256, len(data))))
    return chance.randrange(near)


def _flip_bits(data: bytearray, _: Sequence[bytes], chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _set_bytes(data: bytearray, _: Sequence[bytes], chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 4))):
        data[_place(data, chance)] = chance.choice(_BYTES)


def _set_number(data: bytearray, _: Sequence[bytes], chance: random.Random) -> None:
    """Set what may be a length, a size or an offset to an extreme."""
    size = chance.choice((2, 4, 4, 8))
    number = chance.choice((*_NUMBERS, len(data), chance.randrange(len(data)))) % 256**size
    at = _place(data, chance)
    data[at : at + size] = number.to_bytes(size, chance.choice(("little", "big")))


def _add_to_number(data: bytearray, _: Sequence[bytes], chance: random.Random) -> None:
    size, order = chance.choice((1, 2, 4)), chance.choice(("little", "big"))
    at = _place(data, chance)
    number = int.from_bytes(data[at : at + size], order) + chance.choice((-16, -4, -2, -1, 1, 2, 4, 16, 64))
    data[at : at + size] = (number % 256**size).to_bytes(size, order)


def _truncate(data: bytearray, _: Sequence[bytes], chance: random.Random) -> None:
    del data[chance.randrange(1, len(data)) :]


def _remove(data: bytearray, _: Sequence[bytes], chance: random.Random) -> None:
    at = _place(data, chance)
    del data[at : at + chance.choice((1, 2, 4, 12, 64))]


def _repeat(data: bytearray, _: Sequence[bytes], chance: random.Random) -> None:
    at = _place(data, chance)
    part = bytes(data[at : at + chance.choice((1, 4, 12, 64, 256))])
    data[at:at] = part * chance.choice((1, 1, 2, 16))


def _splice(data: bytearray, others: Sequence[bytes], chance: random.Random) -> None:
    """Continue as another file."""
    other = chance.choice(others)
    data[_place(data, chance) :] = other[chance.randrange(len(other)) :]


def _insert(data: bytearray, others: Sequence[bytes], chance: random.Random) -> None:
    """Put a part of another file into this one, or over it."""
    other = chance.choice(others)
    start = chance.randrange(len(other))
    part = other[start : start + chance.choice((4, 16, 64, 256))]
    at = _place(data, chance)
    data[at : at + chance.choice((0, len(part)))] = part


def _noise(data: bytearray, _: Sequence[bytes], chance: random.Random) -> None:
    at = _place(data, chance)
    size = chance.choice((1, 4, 16, 64))
    data[at : at + size] = chance.randbytes(size)


_WAYS: tuple[Callable[[bytearray, Sequence[bytes], random.Random], None], ...] = (
    *(_flip_bits, _flip_bits, _set_bytes, _set_bytes, _set_number, _set_number, _add_to_number, _add_to_number),
    *(_truncate, _remove, _repeat, _splice, _insert, _noise),
)
