import math
import os
import pathlib

import numpy as np
import pytest

from neural_style.config.config import OPTIONS, Config
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
        ("pooling", "mean", "max or avg or l2"),
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
        ("learning_rate_decay", 5e-324, 0.0),
        ("beta1", 0.0, -1e-9),
        ("content_weight_blend", 0.0, -1e-9),
    ],
)
def test_lower_bounds(name, lowest, below):
    assert OPTIONS[name].checked(lowest) == lowest
    with pytest.raises(UsageError, match=f"^{name}: expected .* {OPTIONS[name].bounds}, got {below!r}$"):
        OPTIONS[name].checked(below)


@pytest.mark.parametrize(
    ("name", "highest", "above"),
    [("content_weight_blend", 1.0, 1 + 1e-9), ("beta2", 0.999, 1), ("learning_rate_decay", 1.0, 1 + 1e-9)],
)
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
    assert option.group in ("Pictures", "Masks", "Colors", "Optimization", "Losses", "Network", "Progress")
    assert option.help[0].isupper() or option.help.startswith("auto,")
    assert option.help.endswith(".")


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if not option.required])
def test_every_default_passes_its_own_check(name):
    assert OPTIONS[name].checked(OPTIONS[name].default) == OPTIONS[name].default


# --- paths ------------------------------------------------------------------------------------------------------------

PATHS = [name for name, option in OPTIONS.items() if option.is_path]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home folder, which is not the current one."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return str(tmp_path / "home")


@pytest.mark.parametrize("name", PATHS)
def test_a_home_folder_is_meant_by_a_tilde(name, home):
    root = os.path.expanduser("~root")

    def checked(value):
        option = OPTIONS[name]
        return option.checked([value])[0] if option.is_list else option.checked(value)

    for given, meant in (
        ("~/a {}.png", f"{home}/a {{}}.png"),
        ("~", home),
        (pathlib.Path("~/a.png"), f"{home}/a.png"),
        (b"~/a.png", f"{home}/a.png"),
        ("~root/a.png", f"{root}/a.png"),
    ):
        assert checked(given) == meant
    for kept in ("a/~/b.png", "./~/b.png", "~.png", "~nobody-of-that-name.png", "a~", " ~/a.png", "$HOME/a.png"):
        assert checked(kept) == kept
    with pytest.raises(UsageError, match=f"^{name}: expected a known home folder in place of '~nobody-of-that-name' "):
        checked("~nobody-of-that-name/a.png")
    os.mkdir("~nobody-of-that-name")
    assert checked("~nobody-of-that-name/a.png") == "~nobody-of-that-name/a.png"
    os.mkdir("~")
    assert checked("~/a.png") == f"{home}/a.png"  # whatever is here: as in a shell


def test_a_config_has_home_folders_expanded(home):
    made = Config("~/a.png", ["~/b.png", "c.png"], initial="~/d.png", output="~/e.png", save_flags="~/f.cfg")
    assert (made.content, made.styles) == (f"{home}/a.png", (f"{home}/b.png", "c.png"))
    assert (made.initial, made.output, made.save_flags) == (f"{home}/d.png", f"{home}/e.png", f"{home}/f.cfg")
    made = Config("a.png", "~/b.png", checkpoint_output="~/{}.png", checkpoint_iterations=1)
    assert (made.styles, made.checkpoint_path(3)) == ((f"{home}/b.png",), f"{home}/3.png")


def test_items_of_a_list_may_be_choices():
    option = OPTIONS["style_loss"]
    assert option.is_list
    assert option.choices == ("gram", "mean_std", "wasserstein", "covariance")
    assert option.checked(["mean_std", "gram"]) == ("mean_std", "gram")
    for value in ("gram", [], ["gram", "Gram"], [3]):
        with pytest.raises(UsageError, match=r"^style_loss: expected"):
            option.checked(value)


def test_pictures_that_are_no_paths_are_left_alone():
    array = np.zeros((40, 40, 3))
    assert OPTIONS["content"].checked(array) is array


@pytest.mark.parametrize(
    "name", [name for name, option in OPTIONS.items() if option.type is str and not option.choices]
)
@pytest.mark.parametrize("text", ["a\0b", "\ud800.png"])
def test_text_that_no_file_name_can_hold_is_refused(name, text):
    option = OPTIONS[name]
    with pytest.raises(UsageError, match=f"^{name}: expected text (without NUL|in the encoding of)"):
        option.checked([text] if option.is_list else text)


@pytest.mark.parametrize("name", PATHS)
def test_a_name_that_is_not_text_is_kept(name):
    path = os.fsdecode(b"\xff.png")
    option = OPTIONS[name]
    assert option.checked([path] if option.is_list else path) == ((path,) if option.is_list else path)
