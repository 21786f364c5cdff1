"""VGG19's weights: find, download, verify and read them, from any file layout.

    from neural_style.networks import weights
    network = weights.load("auto", ["relu4_2"])

h5py and SciPy are imported on use. The names below are those that other packages use.
"""

from neural_style.networks.weights.fetching import (
    OFFLINE_VARIABLE,
    by_hand,
    fetch,
    fetch_command,
    is_offline,
    last_failure,
    to_be_fetched,
)
from neural_style.networks.weights.inspection import Inspection, inspect
from neural_style.networks.weights.loading import CHOICES, find_imagenet, load, without_hash
from neural_style.networks.weights.registry import (
    BUILTIN,
    EXACT,
    ROUNDED,
    Entry,
    builtin_entry,
    imagenet_entries,
    imagenet_file_names,
    sources,
    weights_folder,
)
from neural_style.networks.weights.search import (
    PLACE_VARIABLE,
    fetched_folder,
    files_in,
    published_files,
    search_places,
    wheel_of,
    wheel_problem,
)
from neural_style.networks.weights.vgg_weights import VGGWeights

__all__ = [
    "BUILTIN",
    "CHOICES",
    "EXACT",
    "OFFLINE_VARIABLE",
    "PLACE_VARIABLE",
    "ROUNDED",
    "Entry",
    "Inspection",
    "VGGWeights",
    "builtin_entry",
    "by_hand",
    "fetch",
    "fetch_command",
    "fetched_folder",
    "files_in",
    "find_imagenet",
    "imagenet_entries",
    "imagenet_file_names",
    "inspect",
    "is_offline",
    "last_failure",
    "load",
    "published_files",
    "search_places",
    "sources",
    "to_be_fetched",
    "weights_folder",
    "wheel_of",
    "wheel_problem",
    "without_hash",
]
