"""Which pictures are painted: pairs of a photograph and a style, by name, and where their files are."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from neural_style.errors import UsageError
from neural_style.example_pictures import example_picture

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")


class Pair(NamedTuple):
    """Names of two pictures, without folder and extension."""

    content: str
    style: str

    def __str__(self) -> str:
        """Return the pair as the command line takes it."""
        return f"{self.content}+{self.style}"


def _pairs(text: str) -> tuple[Pair, ...]:
    return tuple(Pair(*pair.split("+")) for pair in text.split())


SETS = {
    "tuned": _pairs(
        """
        stata_center+starry_night golden_gate+great_wave chicago+edtaonisl newyork+mondrian sailboat+houses
        taj_mahal+night_cafe robots+sketch lakeside+swirls stata_center+mosaic golden_gate+pointillist
        chicago+woodcut taj_mahal+starry_night astronaut+night_cafe chelsea+woodcut coffee+houses rocket+edtaonisl
        """
    ),
    "held-back": _pairs(
        """
        stata_center+night_cafe golden_gate+starry_night chicago+great_wave newyork+houses sailboat+edtaonisl
        taj_mahal+mosaic robots+swirls lakeside+sketch newyork+woodcut sailboat+great_wave robots+mondrian
        lakeside+pointillist astronaut+great_wave chelsea+swirls coffee+mosaic rocket+starry_night
        """
    ),
    "varied": _pairs(
        """
        stata_center+starry_night golden_gate+great_wave chicago+edtaonisl robots+sketch lakeside+swirls
        astronaut+night_cafe
        """
    ),
    "open": _pairs(
        "lakeside+swirls lakeside+pointillist chelsea+woodcut coffee+mosaic astronaut+woodcut rocket+swirls"
    ),
}
"""Name -> pairs. Methods are chosen on `tuned` and checked on `held-back`. `varied` has six of the tuned pairs. The
pictures of `open` are in examples/ and scikit-image, so everyone has them."""


def parse(words: Sequence[str]) -> list[Pair]:
    """Return the pairs that names of `SETS` and pairs such as lakeside+swirls stand for, each once.

    Raises:
        UsageError: a word is neither.
    """
    found: dict[Pair, None] = {}
    for word in words:
        if word in SETS:
            found.update(dict.fromkeys(SETS[word]))
        elif word.count("+") == 1 and all(word.split("+")) and not {"/", "\\"} & set(word):
            found[Pair(*word.split("+"))] = None
        else:
            raise UsageError(
                f"--pairs: expected {', '.join(SETS)}, or CONTENT+STYLE such as lakeside+swirls, got {word!r}"
            )
    return list(found)


def find_picture(name: str, folder: Path | None) -> Path | None:
    """Return the file of a picture by name, from a folder, `examples/` or scikit-image; None if there is none."""
    for place in _places(folder):
        for suffix in SUFFIXES:
            path = place / f"{name}{suffix}"
            if path.is_file():
                return path
    return None


def _places(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
    yield example_picture("lakeside.jpg").parent
    package = importlib.util.find_spec("skimage")  # finds the package without importing it
    if package is not None:
        for place in package.submodule_search_locations or ():
            yield Path(place, "data")
