"""Where VGG19's weights come from: found, verified, downloaded if need be, and brought to one form.

The known files are listed in `weights/registry.json`, each bound to its hash, layout, channel order, mean pixel and
licence. Order and mean matter: with the wrong ones nothing fails, and the pictures are only worse. So conv1_1 always
comes out expecting RGB, whatever the file held, and the mean pixel comes with it.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from neural_style import weight_files
from neural_style.architecture import IMAGENET_MEAN, convs_up_to
from neural_style.download import fetch, file_hash
from neural_style.errors import WeightsError

logger = logging.getLogger("neural_style")

PLACE_VARIABLE = "NEURAL_STYLE_WEIGHTS"
"""Environment variable: a weights file, or a folder with one, to look in."""

ADDRESS_VARIABLE = "NEURAL_STYLE_WEIGHTS_URL"
"""Environment variable: an address to download from instead; one that ends in "/" gets the file's name appended."""


_INSTALL_ANEW = "install neural-style anew, or, in a git clone, `git checkout -- weights`"


@dataclass(frozen=True)
class VGGWeights:
    """The convolutions of a VGG19, ready to be used.

    Attributes:
        kernels: float32 (3, 3, in, out), height × width × in × out, by convolution; conv1_1 expects RGB.
        biases: float32 (out,), by convolution.
        mean: float32 (3,), RGB, 0-255; to be subtracted from the picture first.
        name: what to call them before people.
        path: the file they came from; None for the built-in network, or for none, called by the name asked for.
        settings: what suits the network of the options in `config.LEFT_TO_NETWORK`, by name.
    """

    kernels: Mapping[str, np.ndarray]
    biases: Mapping[str, np.ndarray]
    mean: np.ndarray
    name: str
    path: Path | None
    settings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A published weights file, as the registry describes it.

    Attributes:
        file: its name.
        addresses: where it can be downloaded.
        algorithm: of the hash that its publisher gives, as `hashlib` calls it.
        digest: that hash, in hex.
        layout: one of the layouts of `weight_files`.
        channel_order: "RGB" or "BGR", what conv1_1 expects in the file.
        mean: mean pixel (RGB, 0-255); None if the file itself holds it.
        licence: licence and whom to name.
        download: whether this is the one to download when none is found.
    """

    file: str
    addresses: tuple[str, ...]
    algorithm: str
    digest: str
    layout: str
    channel_order: str
    mean: tuple[float, ...] | None
    licence: str
    download: bool


@dataclass(frozen=True)
class Inspection:
    """What is known about one weights file.

    Attributes:
        path: the file.
        entry: its entry in the registry, if its hash is a published one.
        hash_state: "published", "unknown", or "differs from the published" where only its name is known.
        digest: its hash, e.g. "md5 253f…"; empty if it cannot be read.
        layout: one of the layouts of `weight_files`; None if it cannot be read.
        channel_order: "RGB" or "BGR", what conv1_1 expects in the file; None likewise.
        deepest: the deepest convolution it holds; None likewise.
        settings: what suits the network of the options in `config.LEFT_TO_NETWORK`, by name.
        problem: why it cannot be used; None if it can.
    """

    path: Path
    entry: Entry | None
    hash_state: str
    digest: str = ""
    layout: str | None = None
    channel_order: str | None = None
    deepest: str | None = None
    settings: Mapping[str, float] = field(default_factory=dict)
    problem: str | None = None


# --- the registry -----------------------------------------------------------------------------------------------------


def weights_folder() -> Path:
    """The folder of the registry, also for weights: `weights/` in a checkout, `neural_style/registry/` installed."""
    package = Path(__file__).resolve().parent
    installed = package / "registry"
    return installed if (installed / "registry.json").is_file() else package.parent / "weights"


def own_folder() -> Path:
    """Where people are told to put weights: the folder of the registry, or, of an installed package, Keras's cache."""
    package = Path(__file__).resolve().parent
    return keras_cache() if package in weights_folder().parents else weights_folder()


def registry() -> tuple[Entry, ...]:
    """The published weights files.

    Raises:
        WeightsError: the registry is missing or damaged.
    """
    return _entries("entries")


def builtin_entry() -> Entry:
    """The file of the built-in network, which lies beside the registry.

    Raises:
        WeightsError: as `registry`.
    """
    return _entries("builtin")[0]


def _entries(key: str) -> tuple[Entry, ...]:
    path = weights_folder() / "registry.json"
    try:
        rows = json.loads(path.read_text("utf-8"))[key]
        entries = tuple(
            Entry(**{**row, "addresses": tuple(row["addresses"]), "mean": row["mean"] and tuple(row["mean"])})
            for row in rows
        )
        if not entries:
            raise ValueError(f"no {key}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: expected the registry of weights, but {error}; {_INSTALL_ANEW}") from error
    return entries


def _known() -> tuple[Entry, ...]:
    return (*registry(), builtin_entry())


def _identify(path: Path) -> tuple[Entry | None, str]:
    """The registry's entry for the file's hash, if any, and that hash for people."""
    entries, shown = _known(), ""
    for algorithm in dict.fromkeys(entry.algorithm for entry in entries):
        try:
            digest = file_hash(path, algorithm)
        except OSError as error:
            raise WeightsError(f"{path}: cannot be read ({error.strerror}); give a weights file that can") from error
        shown = shown or f"{algorithm} {digest}"
        for entry in entries:
            if (entry.algorithm, entry.digest) == (algorithm, digest):
                return entry, f"{algorithm} {digest}"
    return None, shown


def _published(path: Path) -> str:
    """The hashes published for files of this name, for people; empty if there are none."""
    return " or ".join(f"{entry.algorithm} {entry.digest}" for entry in _known() if entry.file == path.name)


# --- the search -------------------------------------------------------------------------------------------------------


def keras_cache() -> Path:
    """The folder in which Keras keeps the weights that it downloads."""
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    return Path(home) / "models"


def search_places() -> list[Path]:
    """Where ImageNet weights are looked for, in order: folders, or a file where `$NEURAL_STYLE_WEIGHTS` names one."""
    named = _named_place()
    return list(dict.fromkeys([weights_folder(), *([named] if named else []), keras_cache()]))


def _named_place() -> Path | None:
    named = os.environ.get(PLACE_VARIABLE)
    return Path(os.path.expanduser(named)) if named else None


def find_imagenet(layers: Iterable[str] | None = None) -> Path | None:
    """The file that `load` would use as ImageNet's for some layers, or for any, or None. Downloads nothing."""
    found = _find(None if layers is None else convs_up_to(layers))
    return found.path if found else None


def _find(convs: tuple[str, ...] | None) -> VGGWeights | None:
    """The first file with weights of published hash, or that fit VGG19 at least, which is noted."""
    for path in _candidates():
        try:
            return _from_file(path, convs)
        except WeightsError as error:
            logger.warning("passed over: %s", error)
    return None


def _candidates() -> Iterator[Path]:
    """Files that are taken for ImageNet's, going by name, or because `$NEURAL_STYLE_WEIGHTS` names them."""
    for place in search_places():
        if os.path.isfile(place):
            yield place
        yield from (place / name for name in known_names() if os.path.isfile(place / name))
        if place == _named_place() and not os.path.exists(place):
            logger.warning(
                "%s is set to %s, which cannot be found; set it to a weights file or a folder", PLACE_VARIABLE, place
            )


def known_names() -> tuple[str, ...]:
    """File names of the published weights, which are looked for in folders."""
    return tuple(dict.fromkeys(entry.file for entry in registry()))


def download(entry: Entry, folder: Path, progress: bool = False) -> Path:
    """Download a published file into a folder: resumed when cut off, verified, safe for several processes at once.

    `$NEURAL_STYLE_WEIGHTS_URL` replaces the address; the hash is checked all the same.

    Args:
        entry: what to download.
        folder: where to; made if need be.
        progress: show a bar on standard error.

    Raises:
        WeightsError: no address gave the file, or it cannot be written.
    """
    mirror = os.environ.get(ADDRESS_VARIABLE, "")
    addresses = (mirror + entry.file if mirror.endswith("/") else mirror,) if mirror else entry.addresses
    failure: WeightsError | None = None
    for address in addresses:
        try:
            return fetch(address, Path(folder) / entry.file, entry.algorithm, entry.digest, progress)
        except WeightsError as error:
            failure = error
    raise WeightsError(
        f"{failure or 'no address is known'}; download {entry.file} in a browser and put it into {own_folder()}, "
        f"or set {PLACE_VARIABLE} to it"
    ) from failure


# --- loading ----------------------------------------------------------------------------------------------------------


def load(weights: str, layers: Iterable[str], progress: bool = False) -> VGGWeights:
    """Weights for the convolutions up to the deepest of some layers.

    Args:
        weights: "imagenet": the published weights, found in one of `search_places()` or else downloaded into Keras's
            cache; "builtin": the network that comes with the program; "auto": the former if they are to be had,
            else the latter, with a warning; anything else: the path of a file in a layout of `weight_files`.
        layers: the outputs that will be used, e.g. ("relu1_1", "relu4_2"); without any, no file is looked for.
        progress: show a bar on standard error if something is downloaded.

    Raises:
        WeightsError: there are no such weights, or they are damaged, not of VGG19, or not deep enough.
    """
    convs = convs_up_to(layers)
    path = None if weights in ("auto", "imagenet", "builtin") else Path(os.path.expanduser(weights))
    if not convs:
        return VGGWeights({}, {}, np.array(IMAGENET_MEAN, np.float32), path.name if path else weights, path)
    if path:
        return _from_path(path, convs)
    if weights == "builtin":
        return _builtin(convs)
    if weights == "imagenet":
        return _imagenet(convs, progress)
    try:
        return _imagenet(convs, progress)
    except WeightsError as error:
        try:
            builtin = _builtin(convs)
        except WeightsError as other:
            raise WeightsError(f"{error}; nor can the built-in network be used: {other}") from error
        logger.warning("using the built-in network instead of ImageNet's: %s", error)
        return builtin


def _builtin(convs: tuple[str, ...]) -> VGGWeights:
    entry = builtin_entry()
    path = weights_folder() / entry.file
    try:
        digest = file_hash(path, entry.algorithm)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); {_INSTALL_ANEW}") from error
    if digest != entry.digest:
        expected = f"{entry.algorithm} {entry.digest}"
        raise WeightsError(
            f"{path}: expected the built-in network, {expected}, received a damaged or another file, {digest}; "
            f"{_INSTALL_ANEW}"
        )
    contents = weight_files.read(path, convs)
    return VGGWeights(contents.kernels, contents.biases, contents.mean, "builtin", None, contents.settings)


def _imagenet(convs: tuple[str, ...], progress: bool) -> VGGWeights:
    found = _find(convs)
    if found is None:
        entry = next(entry for entry in registry() if entry.download)
        found = _from_file(download(entry, keras_cache(), progress), convs)
    return found


def _from_path(path: Path, convs: tuple[str, ...]) -> VGGWeights:
    if os.path.isdir(path) or not _is_there(path):
        received = "a folder" if os.path.isdir(path) else "no such file"
        raise WeightsError(
            f"{path}: expected auto, imagenet, builtin or the path of a weights file, received {received}"
        )
    return _from_file(path, convs)


def _is_there(path: Path) -> bool:
    """Whether there is such a file, or one cannot even look."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True  # what is wrong with it, reading will tell
    return True


def _from_file(path: Path, convs: tuple[str, ...] | None) -> VGGWeights:
    """Weights from a file up to some convolution, or all that it holds; if its hash is unknown, that is noted."""
    entry, digest = _identify(path)
    contents = _read(path, entry, convs)
    if entry is None:
        _note_unknown(path, digest, contents)
    name = path.name
    if entry:
        name = "builtin" if entry == builtin_entry() else f"imagenet ({path.name})"
    return VGGWeights(contents.kernels, contents.biases, contents.mean, name, path, contents.settings)


def _read(path: Path, entry: Entry | None, convs: tuple[str, ...] | None) -> weight_files.Contents:
    contents = weight_files.read(path, convs, *((entry.channel_order, entry.mean) if entry else ()))
    if not contents.kernels:
        raise WeightsError(f"{path}: expected the convolutions of VGG19, received none; {weight_files.ANEW}")
    return contents


def _note_unknown(path: Path, digest: str, contents: weight_files.Contents) -> None:
    """One line on a file of unknown hash: a warning where something about it had to be assumed or looks amiss."""
    published = _published(path)
    state = f"its {digest} differs from the published {published}" if published else "of unknown hash"
    if contents.assumed:
        state += f"; taken to be {contents.channel_order} with Keras's mean pixel, as its layout has it"
    level = logging.WARNING if published or contents.assumed else logging.INFO
    logger.log(level, "%s: %s; used, since it fits VGG19", path, state)


def inspect(path: str | os.PathLike[str]) -> Inspection:
    """What is known about a weights file, reading all of it. Raises nothing over the file: see `Inspection.problem`."""
    path = Path(path)
    entry, state, digest = None, "unknown", ""
    try:
        entry, digest = _identify(path)
        state = "published" if entry else "differs from the published" if _published(path) else "unknown"
        contents = _read(path, entry, None)
    except WeightsError as error:
        return Inspection(path, entry, state, digest, problem=str(error))
    return Inspection(
        path=path,
        entry=entry,
        hash_state=state,
        digest=digest,
        layout=contents.layout,
        channel_order=contents.channel_order,
        deepest=list(contents.kernels)[-1],
        settings=contents.settings,
    )
