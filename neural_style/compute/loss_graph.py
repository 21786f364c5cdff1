"""The network and the losses as TensorFlow functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from neural_style import vgg19_spec
from neural_style.losses.content import FeatureFormula
from neural_style.losses.moments import (
    MeanMoments,
    Moments,
    channel_sums,
    mean_moments,
    moments,
    moments_vjp,
    per_mass,
    regional_moments,
    regional_moments_vjp,
)
from neural_style.losses.ordered_sum import sum_in_order
from neural_style.losses.spec import (
    CONTENT_MASK,
    FORMULAS,
    IMAGE,
    REGIONS,
    LossSpec,
    LossTerms,
    LossWeights,
    Targets,
    Term,
)
from neural_style.losses.style import MomentFormula
from neural_style.losses.variation import PixelCounts, PixelFormula
from neural_style.networks.vgg19 import Network, wrapped

_FLOAT16_PEAK = 1.0
"""Largest gradient that enters a float16 network. Gradients in the network then stay in float16's range, 6e-8 to
65,504."""

_NOISE_SIDE = 64
"""Side of the picture of noise in pixels."""

Gradients = dict[str, tf.Tensor]
"""Layer -> gradient with respect to its feature map."""


class LossGraph:
    """A network and the losses of a whole picture as TensorFlow functions, traced once for pictures of every size.

    Images, moments, losses and the gradient are float32, whatever type the network computes in. An image is float32
    (1, height, width, 3): RGB of 0-255 minus the network's mean pixel.

    Attributes:
        network: the network.
        spec: the terms of the loss.
    """

    def __init__(self, network: Network, spec: LossSpec):
        """Prepare; TensorFlow traces each function on its first call.

        Args:
            network: a network with every layer of the spec.
            spec: the terms of the loss.
        """
        self.network, self.spec = network, spec
        image = tf.TensorSpec((1, None, None, 3), tf.float32)
        targets, weights = self._target_specs(), weight_specs(spec)
        self.content_maps = traced(self._content_maps, image)
        self.style_moments = traced(self._style_moments, image, mask_specs(spec).get(REGIONS, {}))
        self.terms = traced(self._terms, image, targets, weights)
        self.value_and_grad = traced(self._value_and_grad, image, targets, weights)

    def _target_specs(self) -> dict[str, dict[str, Any]]:
        """Return the shapes and types of `Targets`, for TensorFlow."""
        specs: dict[str, dict[str, Any]] = mask_specs(self.spec)
        with_first = first_moments(self.spec)
        for term in self.spec.terms:
            if term.kind is FeatureFormula:
                specs[term.key] = {layer: map_spec(layer, self.network.precision) for layer in term.layers}
            elif term.kind is MomentFormula:
                specs[term.key] = {
                    layer: _for_regions(self.spec, _styles_spec(term, layer, with_first[layer]))
                    for layer in term.layers
                }
        return specs

    def _content_maps(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return layer -> feature map, for every layer that is compared position by position."""
        features = self.network.features(image)
        return {layer: features[layer] for layer in layers_of(self.spec, FeatureFormula)}

    def _style_moments(self, image: tf.Tensor, masks: Mapping[str, tf.Tensor]) -> dict[str, MeanMoments]:
        """Return layer -> mean moments. Because it is traced, TensorFlow frees each feature map as soon as possible.

        Args:
            image: the image of a style picture.
            masks: style layer -> masks of the regions, as in `Targets`; empty for a loss without regions. What a region
                without any position gets is not finite.
        """
        return self.mean_moments(self._moments(self.network.features(image), masks))

    def _terms(self, image: tf.Tensor, targets: Targets, weights: LossWeights) -> LossTerms:
        """Return the losses of an image, without a gradient."""
        return self._forward(image, self.network.features(image), targets, weights)[0]

    def _value_and_grad(self, image: tf.Tensor, targets: Targets, weights: LossWeights) -> tuple[LossTerms, tf.Tensor]:
        with tf.GradientTape() as network_tape:
            network_tape.watch(image)
            features = self.network.features(image)
        maps = {layer: features[layer] for layer in features if layer in self.spec.layers}
        features = self.for_losses(maps)
        terms, gradients, of_image = self._forward(image, features, targets, weights)
        if not maps:
            return terms, of_image
        through = self.through_network(network_tape, maps, image, [gradients[layer] for layer in maps])
        return terms, through if of_image is None else of_image + through

    def _forward(
        self, image: tf.Tensor, features: Mapping[str, tf.Tensor], targets: Targets, weights: LossWeights
    ) -> tuple[LossTerms, Gradients, tf.Tensor | None]:
        """Return the losses of an image with these features, and their gradients by features and by pixels.

        The last value is the gradient of the terms that look at pixels; None if there are none.
        """
        gradients: Gradients = {}
        of_image: tf.Tensor | None = None
        masks = targets.get(REGIONS, {})
        values, of_moments = self.moment_terms(self._moments(features, masks), targets, weights)
        for term in self.spec.of_kind(FeatureFormula):
            values[term.key], found = feature_term(term, features, targets, weights)
            merge(gradients, found)
        merge(gradients, through_moments(features, of_moments, masks))
        for term in self.spec.of_kind(PixelFormula):
            value, gradient = self._of_pixels(term, image, weights[term.key][IMAGE])
            values[term.key] = {IMAGE: value}
            of_image = gradient if of_image is None else of_image + gradient
        return added_up(self.spec, values), gradients, of_image

    def _of_pixels(self, term: Term, image: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return a weighted loss of pixels and its gradient. An image that wraps is a tile of its own continuation."""
        formula = formula_of(term)
        if not self.network.wraps:
            return formula.value_and_gradient(image, weight)
        _, height, width, _ = tf.unstack(tf.shape(image))
        counts = PixelCounts.of_wrapped(tf.cast(height, tf.float32), tf.cast(width, tf.float32))
        with tf.GradientTape() as tape:
            tape.watch(image)
            seen = wrapped(image)
        value, of_seen = formula.tile_value_and_gradient(seen, tf.stack([1, 1, height + 1, width + 1]), counts, weight)
        return value, tape.gradient(seen, image, output_gradients=of_seen)

    def moment_terms(
        self, sums: Mapping[str, Moments], targets: Targets, weights: LossWeights
    ) -> tuple[dict[str, dict[str, tf.Tensor]], dict[str, Moments]]:
        """Return the losses of all terms of moments, and the gradient of their sum with respect to the moments.

        Args:
            sums: layer -> moments of the whole picture, of any type.
            targets: what the terms compare with.
            weights: weights of the loss.

        Returns:
            Key of a term -> layer -> weighted loss; and layer -> gradient, float32. Terms are added up before anything
            as large as a feature map is computed from them.
        """
        values: dict[str, dict[str, tf.Tensor]] = {}
        of_moments: dict[str, Moments] = {}
        means, scale = self.mean_moments(sums), self.spec.feature_scale
        for term in self.spec.of_kind(MomentFormula):
            values[term.key], upstream = moment_term(term, means, targets, weights)
            for layer, of_mean in upstream.items():
                found = per_sum(of_mean, means[layer].mass, scale)
                of_moments[layer] = of_moments[layer] + found if layer in of_moments else found
        return values, of_moments

    def mean_moments(self, sums: Mapping[str, Moments]) -> dict[str, MeanMoments]:
        """Return layer -> mean moments of the scaled features, given the moments of the features."""
        return {layer: mean_moments(of_layer, self.spec.feature_scale) for layer, of_layer in sums.items()}

    def _moments(self, features: Mapping[str, tf.Tensor], masks: Mapping[str, tf.Tensor]) -> dict[str, Moments]:
        return {
            layer: moments_of(in_loss_type(features[layer]), masks.get(layer), with_first)
            for layer, with_first in first_moments(self.spec).items()
        }

    def for_losses(self, maps: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Return the feature maps from which losses are computed: in float32 instead of float16.

        In float16, the gradients would vanish before they can be scaled.
        """
        return {layer: in_loss_type(of_layer) for layer, of_layer in maps.items()}

    def through_network(
        self,
        tape: tf.GradientTape,
        maps: Mapping[str, tf.Tensor],
        source: tf.Tensor,
        gradients: Sequence[tf.Tensor],
    ) -> tf.Tensor:
        """Return the gradient with respect to the source of some maps, given the gradient with respect to each map.

        Args:
            tape: recorded the way from the source to the maps.
            maps: outputs of the network, by layer.
            source: what the network made them from.
            gradients: one for each map.

        Returns:
            A tensor of the source's shape and type, or float32 where the network computes in float16.
        """
        outputs = list(maps.values())
        if self.network.precision != "float16":
            return tape.gradient(outputs, source, output_gradients=list(gradients))
        scale = _loss_scale(gradients)
        scaled = [tf.cast(scale * gradient, tf.float16) for gradient in gradients]
        return tf.cast(tape.gradient(outputs, source, output_gradients=scaled), tf.float32) / scale

    @functools.cached_property
    def noise_targets(self) -> tuple[dict[str, tuple[tf.Tensor, float]], dict[str, MeanMoments]]:
        """Channel sums of content layers and moments of style layers, for a small picture of noise; always the same."""
        shape = (1, _NOISE_SIDE, _NOISE_SIDE, 3)
        picture = np.random.default_rng(0).uniform(0, 255, shape) - self.network.mean
        image = tf.constant(picture, tf.float32)
        found = self.style_moments(image, self.everywhere(_NOISE_SIDE, _NOISE_SIDE))
        styles = {layer: batch_of_one(regions_of(self.spec, mean)[0]) for layer, mean in found.items()}
        return sums_of_channels(self.content_maps(image)), styles

    def everywhere(self, height: int, width: int) -> dict[str, tf.Tensor]:
        """Return masks for `style_moments` by which all of a picture belongs to each region; empty without regions.

        Args:
            height: of the picture in pixels.
            width: of the picture in pixels.
        """
        if not self.spec.regions:
            return {}
        found: dict[str, tf.Tensor] = {}
        for layer in layers_of(self.spec, MomentFormula):
            rows, columns = (
                vgg19_spec.positions(side, vgg19_spec.stride(layer), self.network.rounding) for side in (height, width)
            )
            found[layer] = tf.ones((1, rows, columns, self.spec.regions), tf.float16)
        return found


def traced(function: Callable[..., Any], *signature: Any) -> Any:
    """Return a TensorFlow function that is traced on its first call, and never again.

    TensorFlow counts how often a piece of code is traced, and warns of code that is traced often. Here every graph
    traces its own functions once. A partial object has no code, so TensorFlow counts each of them by itself.
    """
    return tf.function(functools.partial(function), input_signature=signature, autograph=False)


def float32(numbers: Any) -> tf.Tensor:
    """Return numbers as a tensor, float32 of their shape.

    TensorFlow keeps every Python number that it ever turned into a tensor. It does not keep NumPy's.
    """
    return tf.constant(np.asarray(numbers, np.float32))


def formula_of(term: Term) -> Any:
    """Return the formula of a term."""
    return FORMULAS[term.formula]


def layers_of(spec: LossSpec, kind: type) -> tuple[str, ...]:
    """Return the layers of all terms of a kind, each once."""
    return tuple(dict.fromkeys(layer for term in spec.of_kind(kind) for layer in term.layers))


def first_moments(spec: LossSpec) -> dict[str, bool]:
    """Return layer -> whether its first moment is needed, for every layer whose moments are needed."""
    wanted: dict[str, bool] = {}
    for term in spec.of_kind(MomentFormula):
        for layer in term.layers:
            wanted[layer] = wanted.get(layer, False) or formula_of(term).with_first
    return wanted


def feature_term(
    term: Term,
    features: Mapping[str, tf.Tensor],
    targets: Targets,
    weights: LossWeights,
    share: Mapping[str, tf.Tensor] | None = None,
) -> tuple[dict[str, tf.Tensor], Gradients]:
    """Return a term's weighted losses by layer, and their gradients with respect to the layers' maps.

    Args:
        term: a term with a `FeatureFormula`.
        features: maps, or parts of maps, of any type.
        targets: what to compare with, of the same shapes.
        weights: weights of the loss.
        share: number of values in each part divided by that in the whole map; None for whole maps.
    """
    values: dict[str, tf.Tensor] = {}
    gradients: Gradients = {}
    for layer in term.layers:
        with tf.GradientTape() as tape:
            tape.watch(features[layer])
            values_there, target = (tf.cast(each, tf.float32) for each in (features[layer], targets[term.key][layer]))
            if CONTENT_MASK in targets:  # a factor m on d² is one of √m on d
                root = tf.cast(targets[CONTENT_MASK][layer], tf.float32) ** (1 / formula_of(term).degree)
                values_there, target = root * values_there, root * target
            loss = formula_of(term).loss(values_there, target)
            value = weights[term.key][layer] * (loss if share is None else loss * share[layer])
        values[layer] = value
        gradients[layer] = tape.gradient(value, features[layer])
    return values, gradients


def moment_term(
    term: Term, means: Mapping[str, MeanMoments], targets: Targets, weights: LossWeights
) -> tuple[dict[str, tf.Tensor], dict[str, MeanMoments]]:
    """Return a term's weighted losses by layer, and their gradients with respect to the mean moments of its layers."""
    values: dict[str, tf.Tensor] = {}
    gradients: dict[str, MeanMoments] = {}

    def of_region(compared: tuple[MeanMoments, Any, tf.Tensor]) -> tuple[tf.Tensor, MeanMoments]:
        losses, gradient = formula_of(term).value_and_gradient(*compared)
        return tf.reduce_sum(compared[2] * losses), gradient._replace(mass=tf.constant(0.0))

    for layer in term.layers:
        compared = means[layer], targets[term.key][layer], weights[term.key][layer]
        if weights[term.key][layer].shape.rank == 1:
            values[layer], gradients[layer] = of_region(compared)
            continue
        kinds = tf.float32, MeanMoments(tf.float32, tf.float32, tf.float32)
        of_regions, gradients[layer] = tf.map_fn(
            of_region, compared, parallel_iterations=1, fn_output_signature=kinds
        )  # a loop, since each step of it would make as many operations as the whole loss without regions
        values[layer] = tf.reduce_sum(of_regions)
    return values, gradients


def moments_of(features: tf.Tensor, masks: tf.Tensor | None, with_first: bool) -> Moments:
    """Return the moments of a feature map; with masks, those of its regions."""
    if masks is None:
        return moments(features, with_first=with_first)
    return regional_moments(features, masks, with_first=with_first)


def through_moments(
    features: Mapping[str, tf.Tensor], of_moments: Mapping[str, Moments], masks: Mapping[str, tf.Tensor]
) -> Gradients:
    """Return the gradients with respect to feature maps, given those with respect to their `moments_of`.

    Args:
        features: layer -> map, of at least the layers that have gradients.
        of_moments: layer -> gradient with respect to its moments.
        masks: layer -> masks of the regions; empty without regions.
    """
    return {
        layer: regional_moments_vjp(features[layer], of_sum, masks[layer])
        if layer in masks
        else moments_vjp(features[layer], of_sum)
        for layer, of_sum in of_moments.items()
    }


def unstacked(means: MeanMoments) -> list[MeanMoments]:
    """Return the mean moments of each region, given those of all with a first axis (regions, …)."""
    return [MeanMoments(*of_region) for of_region in zip(*map(tf.unstack, means), strict=True)]


def regions_of(spec: LossSpec, means: MeanMoments) -> list[MeanMoments]:
    """Return the mean moments of each region of a loss; without regions, those of the whole picture alone."""
    return unstacked(means) if spec.regions else [means]


def per_sum(upstream: MeanMoments, mass: tf.Tensor, scale: float = 1.0) -> Moments:
    """Return the gradient with respect to moments, given that with respect to mean moments. For the mass it is 0.

    Args:
        upstream: gradient with respect to what `mean_moments` returned.
        mass: that of the moments.
        scale: as for `mean_moments`.
    """
    first, second = per_mass(upstream.first, mass, 1), per_mass(upstream.second, mass, 2)
    if scale != 1:
        first, second = scale * first, scale**2 * second
    return Moments(tf.constant(0.0), first, second)


def added_up(spec: LossSpec, values: Mapping[str, Mapping[str, tf.Tensor]]) -> LossTerms:
    """Return the losses with their sums, given those by key of a term. Every sum is added in the order of the spec."""
    parts: dict[str, dict[str, list[tf.Tensor]]] = {}
    for term in spec.terms:
        of_name = parts.setdefault(term.name, {})
        for layer, value in values[term.key].items():
            of_name.setdefault(layer, []).append(value)
    by_layer = {
        name: {layer: of[0] if len(of) == 1 else sum_in_order(of) for layer, of in layers.items()}
        for name, layers in parts.items()
    }
    by_name = {name: sum_in_order([*layers.values()] or [0.0]) for name, layers in by_layer.items()}
    return LossTerms(sum_in_order([*by_name.values()]), by_name, by_layer)


def merge(gradients: Gradients, found: Mapping[str, tf.Tensor]) -> None:
    """Add gradients to the existing gradients of the same layers, in place."""
    for layer, gradient in found.items():
        gradients[layer] = gradients[layer] + gradient if layer in gradients else gradient


def sums_of_channels(maps: Mapping[str, tf.Tensor]) -> dict[str, tuple[tf.Tensor, float]]:
    """Return layer -> channel sums of its whole map, and the number of positions."""
    return {layer: (channel_sums(of_layer), float(np.prod(of_layer.shape[:3]))) for layer, of_layer in maps.items()}


def batch_of_one(mean: MeanMoments) -> MeanMoments:
    """Return the moments of one style with a first axis (styles, …), as for several styles."""
    return MeanMoments(*(value[tf.newaxis] for value in mean))


def in_loss_type(maps: tf.Tensor) -> tf.Tensor:
    """Return maps in the type that losses are computed in: float32 for float16, whose range moments would exceed."""
    return tf.cast(maps, tf.float32) if maps.dtype == tf.float16 else maps


def map_spec(layer: str | None, dtype: str) -> tf.TensorSpec:
    """Return the shape and type of a layer's map, or of an image, of any size, for TensorFlow."""
    return tf.TensorSpec((1, None, None, channels_of(layer) if layer else 3), dtype)


def channels_of(layer: str) -> int:
    """Return the number of channels of a layer's map."""
    return vgg19_spec.kernel_shape(vgg19_spec.conv_of(layer))[-1]


def weight_specs(spec: LossSpec) -> dict[str, dict[str, Any]]:
    """Return the shapes and types of `LossWeights`, for TensorFlow."""
    number = tf.TensorSpec((), tf.float32)
    of_styles = _for_regions(spec, tf.TensorSpec((None,), tf.float32))
    kinds: dict[type, Any] = {FeatureFormula: number, MomentFormula: of_styles, PixelFormula: number}
    return {term.key: dict.fromkeys(term.layers, kinds[term.kind]) for term in spec.terms}


def mask_specs(spec: LossSpec) -> dict[str, dict[str, tf.TensorSpec]]:
    """Return the shapes and types of the masks in `Targets`, for TensorFlow; empty for a loss without masks."""
    specs: dict[str, dict[str, tf.TensorSpec]] = {}
    if spec.regions:
        masks = tf.TensorSpec((1, None, None, spec.regions), tf.float16)
        specs[REGIONS] = dict.fromkeys(layers_of(spec, MomentFormula), masks)
    if spec.content_mask:
        mask = tf.TensorSpec((1, None, None, 1), tf.float16)
        specs[CONTENT_MASK] = dict.fromkeys(layers_of(spec, FeatureFormula), mask)
    return specs


def _for_regions(spec: LossSpec, of_one: Any) -> Any:
    """Return the shapes and types of what a loss has for all of its regions, given those of one region."""
    if not spec.regions:
        return of_one
    return tf.nest.map_structure(lambda one: tf.TensorSpec((spec.regions, *one.shape), one.dtype), of_one)


def _styles_spec(term: Term, layer: str, with_first: bool) -> Any:
    channels, of_prepared = channels_of(layer), formula_of(term).prepared_spec
    if of_prepared:
        return of_prepared(channels)
    first = tf.TensorSpec((None, channels if with_first else 0), tf.float32)
    return MeanMoments(first, tf.TensorSpec((None, channels, channels), tf.float32), tf.TensorSpec((None,), tf.float32))


def _loss_scale(gradients: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the power of two that brings the greatest of some gradients just below `_FLOAT16_PEAK`."""
    peak = tf.reduce_max([tf.reduce_max(tf.abs(gradient)) for gradient in gradients])
    return 2.0 ** tf.floor(tf.math.log(_FLOAT16_PEAK / tf.maximum(peak, 1e-30)) / np.log(2.0))
