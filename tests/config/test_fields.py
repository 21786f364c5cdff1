import math
import pathlib

import numpy as np
import pytest

from neural_style.config.config import OPTIONS
from neural_style.errors import UsageError


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("iterations", 7, 7),
        ("iterations", np.int64(7), 7),
        ("content_weight", 7, 7.0),
        ("content_weight", np.float32(0.5), 0.5),
        ("overwrite", True, True),
        ("pooling", "avg", "avg"),
        ("output", pathlib.Path("a") / "b.png", str(pathlib.Path("a") / "b.png")),
        ("output", None, None),
        ("style_scales", [1, 2.5], (1.0, 2.5)),
        ("style_layers", ["relu1_1"], ("relu1_1",)),
    ],
)
def test_values_are_coerced_to_the_type_of_their_option(name, given, kept):
    value = OPTIONS[name].checked(given)
    assert value == kept
    assert type(value) is type(kept)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("iterations", 1.0, "a whole number"),
        ("iterations", "3", "a whole number"),
        ("iterations", True, "a whole number"),
        ("history_size", None, "a whole number"),
        ("content_weight", "3", "a number"),
        ("content_weight", False, "a number"),
        ("content_weight", 1j, "a number"),
        ("overwrite", 1, "true or false"),
        ("overwrite", "yes", "true or false"),
        ("device", 0, "text"),
        ("device", "", "some text"),
        ("pooling", "mean", "max or avg"),
        ("style_layers", "relu1_1", "one or more values"),
        ("style_layers", (), "one or more values"),
        ("style_layers", 3, "one or more values"),
        ("style_layers", ["relu1_1", 3], "text"),
        ("style_scales", 1.0, "one or more values"),
    ],
)
def test_values_of_another_type_are_refused_by_name(name, given, expected):
    with pytest.raises(UsageError, match=f"^{name}: expected {expected}, got "):
        OPTIONS[name].checked(given)


@pytest.mark.parametrize(
    ("name", "lowest", "below"),
    [
        ("iterations", 1, 0),
        ("width", 32, 31),
        ("seed", 0, -1),
        ("content_weight", 0.0, -1e-9),
        ("learning_rate", 5e-324, 0.0),
        ("beta1", 0.0, -1e-9),
        ("content_weight_blend", 0.0, -1e-9),
    ],
)
def test_lower_bounds(name, lowest, below):
    assert OPTIONS[name].checked(lowest) == lowest
    with pytest.raises(UsageError, match=f"^{name}: expected .* {OPTIONS[name].bounds}, got {below!r}$"):
        OPTIONS[name].checked(below)


@pytest.mark.parametrize(("name", "highest", "above"), [("content_weight_blend", 1.0, 1.0 + 1e-9), ("beta2", 0.999, 1)])
def test_upper_bounds(name, highest, above):
    assert OPTIONS[name].checked(highest) == highest
    with pytest.raises(UsageError, match=f"^{name}: expected a number {OPTIONS[name].bounds}, got "):
        OPTIONS[name].checked(above)


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if option.type is float])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_may_be_nan_or_infinite(name, value):
    option = OPTIONS[name]
    with pytest.raises(UsageError, match=f"^{name}: expected a number"):
        option.checked([value] if option.is_list else value)


def test_a_bad_item_of_a_list_is_named_rather_than_the_list():
    with pytest.raises(UsageError, match=r"^style_scales: expected a number > 0, got -2.0$"):
        OPTIONS["style_scales"].checked([1.0, -2.0, 3.0])


def test_whole_numbers_too_large_for_a_float_are_refused():
    with pytest.raises(UsageError, match=r"^content_weight: "):
        OPTIONS["content_weight"].checked(10**400)


@pytest.mark.parametrize(("name", "option"), OPTIONS.items())
def test_every_option_tells_its_group_and_its_meaning(name, option):
    assert option.name == name
    assert option.group in ("Pictures", "Optimization", "Losses", "Network", "Progress")
    assert option.help[0].isupper() or option.help.startswith("auto,")
    assert option.help.endswith(".")


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if not option.required])
def test_every_default_passes_its_own_check(name):
    assert OPTIONS[name].checked(OPTIONS[name].default) == OPTIONS[name].default
