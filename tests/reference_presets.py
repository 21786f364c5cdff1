"""The losses of every preset in float64 NumPy, written from the publications and programs they come from.

Each function takes feature maps by layer, (height, width, channels), of the image, the photo and one style picture, and
the image in gray levels, (height, width, 3). It returns the weighted content, style and variation losses.
"""

import numpy as np
from reference import stepped_root, wasserstein

FIVE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
NORMALIZED = 0.01743
"""Factor on features of a network whose input is (x / 255 - mean) / 0.225."""


def raw_gram(maps):
    """FᵀF, and the numbers of positions and channels."""
    flat = maps.reshape(-1, maps.shape[-1])
    return flat.T @ flat, *flat.shape


def steps_down_and_right(image):
    return image[1:] - image[:-1], image[:, 1:] - image[:, :-1]


def athalye(image, photo, style, pixels):
    content = 5 * np.mean((image["relu4_2"] - photo["relu4_2"]) ** 2)
    loss = 0.0
    for layer in FIVE:
        (g, m, c), (a, n, _) = raw_gram(image[layer]), raw_gram(style[layer])
        loss += 500 / 5 * np.mean((g / (m * c) - a / (n * c)) ** 2)
    down, right = steps_down_and_right(pixels)
    return content, loss, 100 * (np.mean(down**2) + np.mean(right**2))


def gatys(image, photo, style, pixels):
    """Equations 1, 4 and 5, with α = 1, β = 10,000, and all features times 0.0926."""
    image, photo, style = ({layer: 0.0926 * maps for layer, maps in each.items()} for each in (image, photo, style))
    content = 0.5 * np.sum((image["relu4_2"] - photo["relu4_2"]) ** 2)
    loss = 0.0
    for layer in FIVE:
        (g, m, c), (a, n, _) = raw_gram(image[layer]), raw_gram(style[layer])
        loss += 10_000 / 5 * np.sum((g / m - a / n) ** 2) / (4 * c**2)
    return content, loss, 0.0


def johnson(image, photo, style, pixels):
    content = 5 * np.mean((image["relu4_2"] - photo["relu4_2"]) ** 2)
    loss = 0.0
    for layer in FIVE:
        (g, m, c), (a, n, _) = raw_gram(image[layer]), raw_gram(style[layer])
        loss += 100 * np.mean((g / (m * c) - a / (n * c)) ** 2)
    down, right = steps_down_and_right(pixels)
    return content, loss, 1e-3 * 0.5 * (np.sum(down**2) + np.sum(right**2))


def cs231n(image, photo, style, pixels):
    image, photo, style = ({layer: 0.05 * maps for layer, maps in each.items()} for each in (image, photo, style))
    content = 6e-2 * np.sum((image["relu4_2"] - photo["relu4_2"]) ** 2)
    loss = 0.0
    for layer, weight in zip(FIVE, (300000, 1000, 15, 3), strict=False):
        (g, m, c), (a, n, _) = raw_gram(image[layer]), raw_gram(style[layer])
        loss += weight * np.sum((g / (m * c) - a / (n * c)) ** 2)
    down, right = steps_down_and_right(pixels / 255)
    return content, loss, 0.395 * (np.sum(down**2) + np.sum(right**2))


def keras(image, photo, style, pixels):
    content = 2.5e-8 * np.sum((image["relu5_2"] - photo["relu5_2"]) ** 2)
    size, loss = pixels.shape[0] * pixels.shape[1], 0.0
    for layer in FIVE:
        (g, *_), (a, *_) = raw_gram(image[layer]), raw_gram(style[layer])
        loss += 1e-6 / 5 * np.sum((g - a) ** 2) / (4 * 3**2 * size**2)
    down, right = steps_down_and_right(pixels)
    return content, loss, 1e-6 * np.sum((down[:, :-1] ** 2 + right[:-1] ** 2) ** 1.25)


def tensorflow(image, photo, style, pixels):
    content = 1e4 * np.mean((image["relu5_2"] - photo["relu5_2"]) ** 2)
    loss = 0.0
    for layer in FIVE:
        (g, m, _), (a, n, _) = raw_gram(image[layer]), raw_gram(style[layer])
        loss += 1e-2 / 5 * np.mean((g / m - a / n) ** 2)
    down, right = steps_down_and_right(pixels / 255)
    return content, loss, 30 * (np.sum(np.abs(down)) + np.sum(np.abs(right)))


def notes(image, photo, style, pixels):
    content = np.mean((image["relu4_2"] - photo["relu4_2"]) ** 2)
    loss = 0.0
    for layer in FIVE:
        (g, m, c), (a, n, _) = raw_gram(image[layer]), raw_gram(style[layer])
        loss += 1e-3 / 5 * np.sum((g / m - a / n) ** 2) / c**2
    return content, loss, 0.0


def spst(image, photo, style, pixels):
    content = np.mean((image["relu4_2"] - photo["relu4_2"]) ** 2)
    loss = 0.0
    for layer in FIVE:
        (g, m, c), (a, n, _) = raw_gram(image[layer]), raw_gram(style[layer])
        loss += 1e3 / c**2 * np.mean((g / m - a / n) ** 2)
        ours, theirs = (each[layer].reshape(-1, c) for each in (image, style))
        loss += 1e4 * np.mean((ours.mean(0) - theirs.mean(0)) ** 2)
        loss += 1e4 * np.mean((ours.std(0) - theirs.std(0)) ** 2)
    return content, loss, 0.0


def crowson(image, photo, style, pixels):
    image, photo, style = ({layer: NORMALIZED * maps for layer, maps in each.items()} for each in (image, photo, style))
    content = 0.015 * np.mean((image["relu4_2"] - photo["relu4_2"]) ** 2)
    loss = 0.0
    for layer, weight in zip(FIVE, (256, 64, 16, 4, 1), strict=True):
        means, covariances = [], []
        for each in (image, style):
            flat = each[layer].reshape(-1, each[layer].shape[-1])
            means.append(flat.mean(0))
            second = flat.T @ flat / len(flat)
            covariances.append(second - np.outer(means[-1], means[-1]) + 1e-4 * np.eye(len(second)))
        root = stepped_root(covariances[1])
        cross = stepped_root(root @ covariances[0] @ root)
        distance = np.mean((means[0] - means[1]) ** 2) + np.mean(np.diag(covariances[0] + covariances[1] - 2 * cross))
        loss += weight / 341 * distance
    x = np.pad(pixels / 255, ((1, 1), (1, 1), (0, 0)), "edge")
    middle = x[1:-1, 1:-1]
    straight = [x[1:-1, 2:] - middle, x[2:, 1:-1] - middle]
    slanted = [x[1:, 1:] - x[:-1, :-1], x[1:, :-1] - x[:-1, 1:]]  # across every corner of a pixel
    variation = 2 * (sum(np.mean(d**2) for d in straight) / 3 + sum(np.mean(d**2) for d in slanted) / 12)
    return content, loss, 2 * variation


def balanced(image, photo, style, pixels):
    d = image["relu4_2"] - photo["relu4_2"]
    content = np.mean(d**2) / np.mean(photo["relu4_2"].var(axis=(0, 1)))
    loss = 0.0
    for layer, weight in zip(FIVE, (0.52, 0.29, 0.13, 0.05, 0.01), strict=True):
        (g, m, c), (a, n, _) = raw_gram(image[layer]), raw_gram(style[layer])
        share = 60 * weight
        loss += share * np.sum((g / m - a / n) ** 2) / np.sum((a / n) ** 2)
        ours, theirs = (each[layer].reshape(-1, c) for each in (image, style))
        squares = (ours.mean(0) - theirs.mean(0)) ** 2 + (ours.std(0) - theirs.std(0)) ** 2
        loss += share * 2 * np.sum(squares) / np.sum(np.mean(theirs**2, axis=0))
        if layer in FIVE[:3]:
            loss += share * 0.25 * wasserstein(image[layer], style[layer]) / np.mean(theirs**2)
    down, right = steps_down_and_right(pixels)
    variation = 1e-4 * (np.mean(down**2) + np.mean(right**2))
    return 2**20 * content, 2**20 * loss, 2**20 * variation


LOSSES = {
    function.__name__: function
    for function in (athalye, balanced, crowson, cs231n, gatys, johnson, keras, notes, spst, tensorflow)
}
"""Preset -> its losses."""
