import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_style.config import embedded
from neural_style.config.config import OPTIONS, Config
from neural_style.errors import UsageError

PICTURES = {"content": "photo.png", "styles": ["a.png", "b.png"]}


def refused(**settings):
    """The message about settings."""
    with pytest.raises(UsageError) as caught:
        embedded.accept(settings)
    message = str(caught.value)
    assert message.isascii() and message.isprintable()
    assert len(message) < 250
    name = next(iter(settings))
    assert message.startswith(f"{name}: expected ")
    assert message.endswith(f"; give --{name} to replace it") or ", got " in message
    return message


def test_what_the_program_writes_is_taken():
    settings = {
        **PICTURES,
        **{
            "width": 512,
            "strength": 0.25,
            "seamless": False,
            "style_layers": ["relu1_1"],
            "seed": 2**63,
            "init": "noise",
        },
        **{"style_scales": [1, 0.5], "scales": "auto", "content_mask": "m.png", "loss": "balanced", "opacity": 1},
    }
    accepted = embedded.accept(json.loads(json.dumps(settings)))
    expected = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    assert accepted == embedded.Accepted({name: expected[name] for name in OPTIONS if name in expected}, (), ())
    assert Config(**{**accepted.values, "style_layers": OPTIONS["style_layers"].default}).seed == 2**63


@pytest.mark.parametrize(
    "name", ["content", "styles", "content_masks", "style_masks", "color_mask", "proof", "initial", "init"]
)
@pytest.mark.parametrize(
    "value",
    [
        *("../../etc/x", "/abs/path", "a/b.png", "..", ".", "", "c:\\x.png", "http://host/x.png", "\\\\host\\x"),
        *(
            "a\nb.png",
            "a\x1b[31mb.png",
            "a\x9b1mb.png",
            "a\0.png",
            "a\u202eb.png",
            "a\u2028b.png",
            "\ud800.png",
            "x" * 256,
        ),
        *("\u00e9" * 128, 3, 3.5, True, None, {"a": 1}, [["a.png"]], float("nan"), 10**400),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_files_are_bare_names(name, value):
    refused(**{name: [value] if OPTIONS[name].is_list else value})


@pytest.mark.parametrize(
    "name",
    [
        *(
            "photo 1.png",
            "-x.png",
            "-",
            "~root",
            "a%d.png",
            "{}.png",
            "$HOME.png",
            "a'b\"c.png",
            "`ls`.png",
            "x;y.png",
            "ä海.png",
        ),
        *("Screenshot at 5.04\u202fPM.png", "\U0001f469\u200d\U0001f467.png", "noise", "x" * 255, "...png"),
    ],
)
def test_any_other_name_is_taken(name):
    """Where it is searched decides what it stands for."""
    assert embedded.accept({"content": name, "styles": [name]}).values == {"content": name, "styles": (name,)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("width", "iterations", "seed") for value in ("64", 64.5, True, [64], None, -1)),
        *(("strength", value) for value in ("0.5", float("nan"), float("inf"), 2, 10**400, [0.5], False)),
        *((name, value) for name in ("seamless", "preserve_colors") for value in ("true", "false", 1, 0, [True], None)),
        ("seed", 2**64),
        ("width", 10**4000),
        ("styles", "a.png"),
        ("styles", {"0": "a.png"}),
        ("styles", []),
        ("styles", ["a.png"] * 101),
        ("style_layers", "relu1_1"),
        ("style_layers", [["relu1_1"]]),
        ("style_layers", [1]),
        ("style_scales", [float("nan")]),
        ("style_scales", ["1"]),
        ("style_scales", [1.0] * 1000),
        ("loss", "pickle"),
        ("loss", "x" * 10**6),
        ("scales", "a\x1b[2J"),
        ("scales", "x" * 1001),
        ("weights", "a\nb"),
        ("weights", ["builtin"]),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_a_value_of_another_kind_is_refused(name, value):
    refused(**{name: value})


@pytest.mark.parametrize(
    "name",
    [
        *embedded.NOT_EMBEDDED,
        *(name for name, option in OPTIONS.items() if option.group == "Progress" or option.is_output),
        *("temporal_weight", "a\x1b[2J", "yes", "preset", "flagfile", ""),
    ],
    ids=ascii,
)
def test_settings_that_a_picture_may_not_choose_are_left_out(name):
    assert embedded.accept({**PICTURES, name: "/etc/passwd", "recolored": {}}) == embedded.Accepted(
        {"content": "photo.png", "styles": ("a.png", "b.png")}, (name,), ("recolored",)
    )


def test_what_is_given_otherwise_is_not_looked_at():
    settings = {"content": "/etc/passwd", "width": "x", "seed": 3}
    assert embedded.accept(settings, ["content", "width"]).values == {"seed": 3}


def test_no_option_that_is_taken_says_where_to_write():
    for name, option in OPTIONS.items():
        assert not (embedded.is_embedded(name) and option.is_output)
    assert os.name == "nt" or embedded.accept({"content": "12:30.png"}).values == {"content": "12:30.png"}


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(["auto", "a.png"])
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*OPTIONS, "recolored", "\x1b"]), JSON, max_size=4))
def test_any_settings_are_taken_or_refused_in_one_line(found):
    try:
        accepted = embedded.accept({**PICTURES, **found})
        made = Config(**accepted.values)
    except UsageError as error:
        assert "\n" not in str(error) and embedded.is_plain(str(error))
        return
    names = [made.content, *made.styles, *(made.content_masks or ()), made.init, made.initial, made.proof]
    assert not any(set("/\\") & set(name) for name in names if name)
    for name in OPTIONS:
        if not embedded.is_embedded(name):
            assert getattr(made, name) == OPTIONS[name].default
