"""The forms of content and style losses in float64 NumPy, written from the papers; they share nothing with the program.

Feature maps are (height, width, channels).
"""

import numpy as np
import reference


def content(maps, target, form):
    """A layer's content loss."""
    squares = (maps - target) ** 2
    if form == "half_sum":
        return squares.sum() / 2  # Gatys et al. (CVPR 2016, eq. 1)
    if form == "relative":
        return squares.mean() / np.mean(np.var(target, axis=(0, 1)))
    return {"mean": np.mean, "sum": np.sum}[form](squares)


def matrix(maps, normalization, pixels, centered=False):
    """A Gram matrix, or a covariance matrix, with its normalization."""
    flat = maps.reshape(-1, maps.shape[-1])
    positions, channels = flat.shape
    flat = flat - flat.mean(0) if centered else flat
    divisors = {"positions_channels": positions * channels, "positions": positions, "pixels": pixels, "none": 1}
    return flat.T @ flat / divisors[normalization]


def style(maps, targets, blend, statistic, normalization, reduction, pixels):
    """A layer's style loss against several styles, whose weights need not sum to 1."""
    flats = [each.reshape(-1, each.shape[-1]) for each in (maps, *targets)]
    means, deviations = [flat.mean(0) for flat in flats], [flat.std(0) for flat in flats]
    grams, covariances = (
        [matrix(each, normalization, pixels, centered) for each in (maps, *targets)] for centered in (False, True)
    )
    entries = {"mean_std": [[means, deviations]], "covariance": [[covariances], [means]], "gram": [[grams]]}[statistic]
    return sum(_added(part, blend, reduction) for part in entries)


def _added(arrays, blend, reduction):
    """The differences of some arrays, each that of the image and then those of the styles, put together."""
    reduce = np.sum if reduction == "sum" else np.mean
    losses = [sum(reduce((each[0] - each[at]) ** 2) for each in arrays) for at in range(1, len(blend) + 1)]
    size = 1.0
    if reduction == "relative":
        size = np.average(
            [sum(np.mean(each[at] ** 2) for each in arrays) for at in range(1, len(blend) + 1)], weights=blend
        )
    return np.dot(blend, losses) / size


class Objective:
    """The weighted loss of an image, without total variation, for the options of a resolved `Config` as given."""

    def __init__(self, config, content_picture, styles):
        """`config` is asked for plain options only: what follows from them is computed here."""
        self.config, self.network = config, reference.in_float64(reference.random_weights())
        self.unit = {"balanced": 2**20, "athalye": 1}[config.loss]
        self.blocks = {"balanced": (0.52, 0.29, 0.13, 0.05, 0.01), "athalye": (1,) * 5}[config.loss]
        self.content, *self.styles = (self._features(each - self.network.mean) for each in (content_picture, *styles))
        blend = np.array(config.style_blend_weights or np.ones(len(styles)), float)
        self.blend = blend / blend.sum()

    def _features(self, image):
        layers = {*self.config.content_layers, *self.config.style_layers}
        found = reference.features(self.network, image, layers)
        return {layer: self.config.feature_scale * maps for layer, maps in found.items()}

    def _weights(self, given, layers):
        weights = np.array(given, float)
        return zip(layers, weights / weights.sum() if self.config.layer_reduction == "mean" else weights, strict=True)

    def _blend(self, layer):
        of_styles = self.config.style_layers_of or ["all"] * len(self.styles)
        return self.blend * [of == "all" or layer in of.split("+") for of in of_styles]

    def __call__(self, image):
        """Content loss, style loss and their sum, by name."""
        config, maps, pixels = self.config, self._features(image), image.shape[0] * image.shape[1]
        ones, of_blocks = (
            [1] * len(config.content_layers),
            [self.blocks[int(layer[4]) - 1] for layer in config.style_layers],
        )
        contents = [
            weight * content(maps[layer], self.content[layer], config.content_loss)
            for layer, weight in self._weights(config.content_layer_weights or ones, config.content_layers)
        ]
        factors = config.style_loss_weights or np.ones(len(config.style_loss))
        form = config.gram_normalization, config.style_reduction, pixels
        styles = [
            weight * factor * style(maps[layer], [each[layer] for each in self.styles], self._blend(layer), name, *form)
            for layer, weight in self._weights(config.style_layer_weights or of_blocks, config.style_layers)
            for name, factor, where in zip(config.style_loss, factors, config.style_loss_layers, strict=True)
            if where == "all" or {layer, f"block{layer[4]}"} & {*where.split("+")}
        ]
        found = {"content": config.content_weight * sum(contents), "style": config.style_weight * sum(styles)}
        found = {name: self.unit * value for name, value in found.items()}
        return {**found, "total": sum(found.values())}
