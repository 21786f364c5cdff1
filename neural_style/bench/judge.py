"""Measure how close a picture is to a style and to a photograph, in the features of the real VGG19.

All distances are relative to the style or the photograph, and 0 is identical. The network is always computed in float32
with max pooling that rounds odd sizes up, whatever variant and precision a picture was painted with.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from neural_style.errors import ImageError
from neural_style.networks import weights
from neural_style.networks.weights import VGGWeights

STROKE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu3_4")
"""Layers of the measure `style`: colors and strokes."""

FORM_LAYERS = ("relu4_1", "relu5_1")
"""Layers of the measure `deep`: forms."""

DISTRIBUTION_LAYERS = ("relu2_1", "relu3_1", "relu4_1")
"""Layers of the measure `swd`."""

PHOTO_LAYER = "relu4_2"
"""Layer of the measure `content4`."""

LAYERS = (*STROKE_LAYERS, *FORM_LAYERS, PHOTO_LAYER)

MEASURES = ("style", "deep", "swd", "content4", "grain")
"""Names of the measures, in the order of tables."""

DIRECTIONS = 64
"""How many random directions the sliced Wasserstein distance projects features on."""

QUANTILES = 256
"""How many quantiles of a projection are compared."""

_MOST_PICTURES = 48
"""How many styles and photographs, each at one size, a judge remembers. Each takes up to about 5 MB at 384 px."""


class Distribution(NamedTuple):
    """Projections of the features of one layer on `DIRECTIONS` directions."""

    quantiles: np.ndarray  # (DIRECTIONS, QUANTILES)
    variance: float  # mean over the directions


@dataclass(frozen=True)
class _Style:
    grams: Mapping[str, np.ndarray]
    distributions: Mapping[str, Distribution]
    grain: float


@dataclass(frozen=True)
class _Photo:
    features: np.ndarray  # (positions, channels) at PHOTO_LAYER


class Judge:
    """Measures pictures. What it needs of styles and photographs is computed once for each size."""

    def __init__(self, network: VGGWeights):
        """Build the network.

        Args:
            network: weights of at least the convolutions up to relu5_1.
        """
        from neural_style.networks.vgg19 import build_vgg19

        self._mean = network.mean
        self._model = build_vgg19(network, LAYERS)
        self._known: OrderedDict[Any, Any] = OrderedDict()

    @classmethod
    def load(cls, name: str = "imagenet") -> Judge:
        """Make a judge with weights by name or path; see `Config.weights`.

        Raises:
            WeightsError: they cannot be had or do not fit.
        """
        return cls(weights.load(name, LAYERS))

    def measure(self, image: np.ndarray, style: np.ndarray, photo: np.ndarray) -> dict[str, float]:
        """Compare a picture with a style and with a photograph.

        Args:
            image: uint8 (height, width, 3), sRGB.
            style: the same type, of any size; resized to the image's width, with its own aspect.
            photo: the same type, of any size; resized to the image's size.

        Returns:
            Measure -> value, in the order of `MEASURES`:

            - style: mean over `STROKE_LAYERS` of Σ(G - A)² / ΣA², G and A the Gram matrices per position of image and
              style;
            - deep: the same over `FORM_LAYERS`;
            - swd: mean over `DISTRIBUTION_LAYERS` of `sliced_wasserstein` (Rabin et al., 2011);
            - content4: Σ(F - P)² / Σ(P - mean P)² at `PHOTO_LAYER`, F and P the features of image and photograph and
              the mean over positions, by channel;
            - grain: `grain_energy` of the image over that of the style; 1 is right.

        Raises:
            ImageError: the style has no grain, or the photograph no features that vary. Both have one color.
        """
        height, width = image.shape[:2]
        style_height = max(1, round(style.shape[0] * width / style.shape[1]))
        of_style: _Style = self._remembered(_resized(style, width, style_height), self._style)
        of_photo: _Photo = self._remembered(_resized(photo, width, height), self._photo)
        features = self._features(image)
        distances = {
            layer: relative_distance(gram(features[layer]), target) for layer, target in of_style.grams.items()
        }
        transports = [
            sliced_wasserstein(distribution(features[layer]), target)
            for layer, target in of_style.distributions.items()
        ]
        return {
            "style": float(np.mean([distances[layer] for layer in STROKE_LAYERS])),
            "deep": float(np.mean([distances[layer] for layer in FORM_LAYERS])),
            "swd": float(np.mean(transports)),
            "content4": photo_distance(features[PHOTO_LAYER], of_photo.features),
            "grain": grain_energy(image) / of_style.grain,
        }

    def _style(self, picture: np.ndarray) -> _Style:
        grain = grain_energy(picture)
        if grain == 0:
            raise ImageError("judge: expected a style picture with more than one color; give another picture")
        features = self._features(picture)
        return _Style(
            {layer: gram(features[layer]) for layer in (*STROKE_LAYERS, *FORM_LAYERS)},
            {layer: distribution(features[layer]) for layer in DISTRIBUTION_LAYERS},
            grain,
        )

    def _photo(self, picture: np.ndarray) -> _Photo:
        if (picture == picture[0, 0]).all():
            raise ImageError("judge: expected a photograph with more than one color; give another picture")
        return _Photo(self._features(picture)[PHOTO_LAYER])

    def _remembered(self, picture: np.ndarray, compute: Callable[[np.ndarray], Any]) -> Any:
        key = (compute.__name__, picture.shape, hashlib.sha256(picture.data).digest())
        if key not in self._known:
            self._known[key] = compute(picture)
        self._known.move_to_end(key)
        while len(self._known) > _MOST_PICTURES:
            self._known.popitem(last=False)
        return self._known[key]

    def _features(self, picture: np.ndarray) -> dict[str, np.ndarray]:
        """Return layer -> float32 (positions, channels) of a uint8 picture."""
        maps = self._model((picture.astype(np.float32) - self._mean)[np.newaxis])
        return {layer: np.asarray(values).reshape(-1, values.shape[-1]) for layer, values in maps.items()}


# --- measures of features ---------------------------------------------------------------------------------------------


def gram(features: np.ndarray) -> np.ndarray:
    """Return the Gram matrix per position, (channels, channels), of features (positions, channels)."""
    return features.T @ features / len(features)


def relative_distance(ours: np.ndarray, target: np.ndarray) -> float:
    """Return Σ(ours - target)² / Σtarget² of two arrays of one shape."""
    return _energy(ours - target) / _energy(target)


def photo_distance(ours: np.ndarray, target: np.ndarray) -> float:
    """Return the squared distance of features (positions, channels) over the target's variation over positions."""
    return _energy(ours - target) / _energy(target - target.mean(0, dtype=np.float64).astype(target.dtype))


def distribution(features: np.ndarray) -> Distribution:
    """Project features (positions, channels) on directions that are the same in every process."""
    directions = np.random.default_rng(0).normal(size=(features.shape[-1], DIRECTIONS))
    directions /= np.sqrt((directions**2).sum(0))
    projected = np.sort(directions.T.astype(features.dtype) @ features.T)  # (directions, positions), each row ascending
    at = (np.arange(QUANTILES) + 0.5) / QUANTILES * (len(features) - 1)
    below = at.astype(int)
    above = np.minimum(below + 1, len(features) - 1)
    share = at - below
    quantiles = projected[:, below] * (1 - share) + projected[:, above] * share
    return Distribution(quantiles, float(projected.var(1, dtype=np.float64).mean()))


def sliced_wasserstein(ours: Distribution, target: Distribution) -> float:
    """Return the root mean square difference of quantiles, over the standard deviation of the target's projections."""
    return float(np.sqrt(np.square(ours.quantiles - target.quantiles).mean() / target.variance))


def grain_energy(picture: np.ndarray) -> float:
    """Return the mean square of what a 3×3 mean removes from the lightness of a picture (height, width, 3)."""
    light = picture.astype(np.float32).mean(-1)
    rows = light[:-2] + light[1:-1] + light[2:]
    blurred = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9
    return _energy(light[1:-1, 1:-1] - blurred) / blurred.size


def _energy(values: np.ndarray) -> float:
    """Return the sum of squares."""
    return float(np.square(values).sum(dtype=np.float64))


def _resized(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize a uint8 picture with Lanczos' filter, in 8 bits."""
    if picture.shape[:2] == (height, width):
        return np.ascontiguousarray(picture)
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))
