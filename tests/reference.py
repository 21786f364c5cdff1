"""The mathematics once more: slow, in float64 NumPy, from the published formulas, sharing nothing with `neural_style`.

Feature maps are (height, width, channels), images (height, width, 3), RGB of 0-255 less the mean pixel.
"""

import functools
from types import SimpleNamespace

import numpy as np

_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # of VGG19: channels, convolutions


@functools.cache
def random_weights():
    """A whole VGG19 of dense random filters, float32: no entry is 0 and no two are alike, so that none can be swapped.

    It also stands in for `weights.VGGWeights`.
    """
    rng = np.random.default_rng(0)
    kernels, biases, channels_in = {}, {}, 3
    for block, (channels, count) in enumerate(_BLOCKS, 1):
        for index in range(1, count + 1):
            spread = np.float32(np.sqrt(2 / (9 * channels_in)))
            kernels[f"conv{block}_{index}"] = rng.standard_normal((3, 3, channels_in, channels), np.float32) * spread
            biases[f"conv{block}_{index}"] = rng.standard_normal(channels, np.float32) * 10
            channels_in = channels
    mean = np.array([123.68, 116.779, 103.939], np.float32)  # RGB, as Keras has it
    return SimpleNamespace(kernels=kernels, biases=biases, mean=mean, name="random", path=None, settings={})


def in_float64(weights):
    """The kernels and biases of some weights as the functions below want them."""
    return SimpleNamespace(
        kernels={conv: kernel.astype(np.float64) for conv, kernel in weights.kernels.items()},
        biases={conv: bias.astype(np.float64) for conv, bias in weights.biases.items()},
        mean=weights.mean,
    )


def features(weights, image, layers, pooling="max", rounding="up", scale=1, padding="zeros", padding_layers="all"):
    """Layer -> feature map, for relu* and conv*; `weights` as `in_float64` gives them; `scale` of pooled maps."""
    maps, outputs = np.asarray(image, np.float64), {}
    for block, (_, count) in enumerate(_BLOCKS, 1):
        for index in range(1, count + 1):
            if not set(layers) - set(outputs):
                return {layer: outputs[layer] for layer in layers}
            name = f"{block}_{index}"
            around = padding if padding_layers == "all" or name == "1_1" else "zeros"
            filters = weights.kernels[f"conv{name}"], weights.biases[f"conv{name}"]
            outputs[f"conv{name}"] = convolution(maps, *filters, around)
            outputs[f"relu{name}"] = maps = np.maximum(outputs[f"conv{name}"], 0)
        maps = pool(maps, pooling, rounding) * scale
    return {layer: outputs[layer] for layer in layers}


def convolution(maps, kernel, bias, padding="zeros"):
    """3×3; kernel (3, 3, in, out), not flipped."""
    around = {"zeros": "constant", "replicate": "edge", "reflect": "reflect"}[padding]
    padded = np.pad(maps, ((1, 1), (1, 1), (0, 0)), around)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))  # (height, width, in, 3, 3)
    return np.einsum("hwiyx,yxio->hwo", windows, kernel, optimize=True) + bias


def pool(maps, kind, rounding="up"):
    """2×2 with stride 2; an odd last row or column is pooled by itself ("up") or dropped ("down")."""
    height, width, channels = maps.shape
    if rounding == "up":  # what lies outside is not counted, neither by the maximum nor by the means
        maps = np.pad(maps, ((0, height % 2), (0, width % 2), (0, 0)), constant_values=np.nan)
        height, width = maps.shape[:2]
    cells = maps[: height // 2 * 2, : width // 2 * 2].reshape(height // 2, 2, width // 2, 2, channels)
    if kind == "l2":
        return np.sqrt(np.nanmean(cells**2, axis=(1, 3)))
    return {"max": np.nanmax, "avg": np.nanmean}[kind](cells, axis=(1, 3))


def gram(maps):
    """G / (M·C)."""
    flat = maps.reshape(-1, maps.shape[-1])
    return flat.T @ flat / flat.size


def wasserstein(maps, style, root=None):
    """Squared Wasserstein-2 distance of the Gaussians of two maps, divided by the channels; roots as `stepped_root`."""
    root = root or stepped_root
    (mean, covariance), (other_mean, other) = _mean_and_covariance(maps), _mean_and_covariance(style)
    half = root(other)
    joint = root(half @ covariance @ half)
    return np.mean((mean - other_mean) ** 2) + np.mean(np.diag(covariance + other - 2 * joint))


def _mean_and_covariance(maps):
    flat = maps.reshape(-1, maps.shape[-1]).astype(np.float64)
    return flat.mean(0), np.cov(flat.T, bias=True) + 1e-4 * np.eye(flat.shape[1])


def stepped_root(matrix):
    """Root of a symmetric matrix by 12 Newton-Schulz steps, as crowsonkb/style-transfer-pytorch takes it."""
    norm, identity = np.linalg.norm(matrix), np.eye(len(matrix))
    of_matrix, inverse = matrix / norm, identity
    for _ in range(12):
        step = (3 * identity - inverse @ of_matrix) / 2
        of_matrix, inverse = of_matrix @ step, step @ inverse
    return of_matrix * np.sqrt(norm)


def total_variation(image):
    """mean(dy²) + mean(dx²)."""
    return np.mean(np.diff(image, axis=0) ** 2) + np.mean(np.diff(image, axis=1) ** 2)


def total_variation_gradient(image):
    """Gradient of `total_variation`."""
    gradient = np.zeros_like(image, np.float64)
    for axis in (0, 1):
        differences = np.diff(image, axis=axis)
        share = 2 * differences / differences.size
        before, after = [(0, 0)] * 3, [(0, 0)] * 3
        before[axis], after[axis] = (1, 0), (0, 1)
        gradient += np.pad(share, before) - np.pad(share, after)
    return gradient


class Objective:
    """The loss, athalye's or the balanced, of an image against those of a content and some styles (all images)."""

    def __init__(
        self,
        weights,
        content,
        styles,
        *,
        content_terms,
        style_terms,
        blend,
        factors,
        balanced=False,
        means=0,
        **variant,
    ):
        """`content_terms`, `style_terms`: layer -> share; `blend`: of the styles; `factors`: of content, style, TV.

        `means`: factor of means and deviations beside Gram matrices; `variant`: as for `features`.
        """
        self.means = means
        self.weights, self.variant = weights, variant
        self.content_terms, self.style_terms, self.blend = content_terms, style_terms, blend
        self.factors = factors
        self.content_targets = features(weights, content, content_terms, **self.variant)
        of_styles = [features(weights, style, style_terms, **self.variant) for style in styles]
        self.style_targets = [self._grams(maps) for maps in of_styles]
        self.mean_targets = [self._means(maps) for maps in of_styles]
        self.content_sizes, self.style_sizes = dict.fromkeys(content_terms, 1), dict.fromkeys(style_terms, 1)
        self.mean_sizes = dict.fromkeys(style_terms, 1)
        if balanced:
            noise = np.random.default_rng(0).uniform(0, 255, (64, 64, 3)) - weights.mean
            of_noise = features(weights, noise, [*content_terms, *style_terms], **self.variant)
            for layer, maps in self.content_targets.items():
                variances = [np.mean(np.var(each, axis=(0, 1))) for each in (maps, of_noise[layer])]
                self.content_sizes[layer] = max(variances[0], variances[1] / 20)
            for layer in style_terms:
                squares = [np.mean(targets[layer] ** 2) for targets in self.style_targets]
                self.style_sizes[layer] = max(np.dot(blend, squares), np.mean(gram(of_noise[layer]) ** 2) / 20)
                squares = [np.mean(maps[layer] ** 2) for maps in of_styles]
                self.mean_sizes[layer] = max(np.dot(blend, squares), np.mean(of_noise[layer] ** 2) / 20)

    def _grams(self, maps):
        return {layer: gram(maps[layer]) for layer in self.style_terms}

    def _means(self, maps):
        """Means of the channels, and standard deviations."""
        return {layer: (maps[layer].mean(axis=(0, 1)), maps[layer].std(axis=(0, 1))) for layer in self.style_terms}

    def __call__(self, image):
        """Weighted terms and total, by name."""
        maps = features(self.weights, image, [*self.content_terms, *self.style_terms], **self.variant)
        grams = self._grams(maps)
        content = sum(
            share * np.mean((maps[layer] - self.content_targets[layer]) ** 2) / self.content_sizes[layer]
            for layer, share in self.content_terms.items()
        )
        style = sum(
            blend * share * np.mean((grams[layer] - targets[layer]) ** 2) / self.style_sizes[layer]
            for blend, targets in zip(self.blend, self.style_targets, strict=True)
            for layer, share in self.style_terms.items()
        )
        if self.means:
            found = self._means(maps)
            style += self.means * sum(
                blend * share * np.mean((ours - theirs) ** 2) / self.mean_sizes[layer]
                for blend, targets in zip(self.blend, self.mean_targets, strict=True)
                for layer, share in self.style_terms.items()
                for ours, theirs in zip(found[layer], targets[layer], strict=True)
            )
        terms = [
            factor * term for factor, term in zip(self.factors, (content, style, total_variation(image)), strict=True)
        ]
        return SimpleNamespace(content=terms[0], style=terms[1], tv=terms[2], total=sum(terms))

    def slope(self, image, direction, step):
        """Derivative of the total along a direction, by central differences."""
        ahead, behind = self(image + step * direction), self(image - step * direction)
        return (ahead.total - behind.total) / (2 * step)


def adam(gradient, start, steps, learning_rate, beta1, beta2, eps, box=None, **decay):
    """Points of Adam in the form at the end of section 2 of the paper, with its ε-hat; `gradient` is a function.

    `box`, `decay`: as for `sgd`.
    """
    points, mean, variance = [np.asarray(start, np.float64)], 0.0, 0.0
    for count in range(1, steps + 1):
        slope = gradient(points[-1])
        mean = beta1 * mean + (1 - beta1) * slope
        variance = beta2 * variance + (1 - beta2) * slope**2
        rate = learning_rate * np.sqrt(1 - beta2**count) / (1 - beta1**count) * decay_factor(count - 1, **decay)
        point = points[-1] - rate * mean / (np.sqrt(variance) + eps)
        points.append(point if box is None else np.minimum(np.maximum(point, box[0]), box[1]))
    return points


def decay_factor(count, factor=1.0, every=100, shape="smooth"):
    """Factor on the learning rate of the step after `count` others."""
    return factor ** {"smooth": count / every, "steps": count // every}[shape]


def sgd(gradient, start, steps, learning_rate, box=None, **decay):
    """Points of gradient descent; `box`: least and largest value of each channel; `decay`: as for `decay_factor`."""
    points = [np.asarray(start, np.float64)]
    for count in range(steps):
        point = points[-1] - learning_rate * decay_factor(count, **decay) * gradient(points[-1])
        points.append(point if box is None else np.minimum(np.maximum(point, box[0]), box[1]))
    return points
