import numpy as np
import pytest

from neural_style.images.style_sizes import StyleFit


@pytest.mark.parametrize(
    ("rule", "scale", "result", "style", "size"),
    [
        ("width", 1, (200, 100), (50, 40), (200, 160)),
        ("width", 1.5, (100, 200), (50, 100), (150, 300)),
        ("longest", 1, (200, 100), (50, 40), (200, 160)),
        ("longest", 1, (100, 200), (50, 40), (200, 160)),  # a landscape style of a portrait photo
        ("longest", 1, (200, 100), (40, 50), (160, 200)),
        ("longest", 0.5, (200, 100), (40, 50), (80, 100)),
        ("longest", 2, (60, 60), (30, 30), (120, 120)),
        ("stretch", 1, (200, 100), (40, 50), (200, 100)),
        ("stretch", 1.5, (200, 101), (7, 900), (300, 152)),
    ],
)
def test_sizes_by_hand(rule, scale, result, style, size):
    assert StyleFit(rule, scale).size(result, style) == size


def test_a_turned_style_has_the_same_size_turned_by_its_longer_side():
    rng = np.random.default_rng(0)
    for _ in range(200):
        width, height, *result = rng.integers(1, 900, 4).tolist()
        fit = StyleFit("longest", float(rng.uniform(0.1, 3)))
        assert fit.size(tuple(result), (width, height)) == fit.size(tuple(result[::-1]), (height, width))[::-1]
        assert max(fit.size(tuple(result), (width, height))) == round(max(result) * fit.scale)


@pytest.mark.parametrize("least", [32, 65])
@pytest.mark.parametrize("rule", ["width", "longest", "stretch"])
def test_no_side_of_a_smaller_style_is_below_the_least(rule, least):
    """Nor is it larger than at the full size; its aspect stays, but for rounding."""
    rng = np.random.default_rng(1)
    for _ in range(300):
        result = tuple(rng.integers(200, 600, 2).tolist())
        style = tuple(rng.integers(80, 300, 2).tolist())
        fit = StyleFit(rule, float(rng.uniform(0.5, 1.5)))
        full = fit.size(result, style)
        if min(full) < least:
            continue
        smaller = tuple(max(32, round(side / 7)) for side in result)
        size = fit.size_at_least(smaller, style, full, least)
        assert least <= min(size) <= min(full)
        if rule != "stretch":
            assert size[0] / size[1] == pytest.approx(style[0] / style[1], rel=0.04)
        if min(fit.size(smaller, style)) >= least:
            assert size == fit.size(smaller, style)
