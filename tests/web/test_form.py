"""Tests of what is made of what was entered."""

import pytest

from neural_style.config.config import OPTIONS, Config
from neural_style.errors import UsageError
from neural_style.web import form, handlers
from neural_style.web.form import Entered
from neural_style.web.pictures import Sent

PHOTO, TALL = (
    Sent("/files/photo.jpg", 800, 600, "/shown/photo.jpg"),
    Sent("/files/tall.jpg", 600, 800, "/shown/tall.jpg"),
)
STYLES = (Sent("/files/a.jpg", 300, 300, "/shown/a.jpg"), Sent("/files/b.jpg", 300, 300, "/shown/b.jpg"))


def entered(photo=PHOTO, styles=STYLES[:1], shares=(1.0,), side=512, preset="", **options):
    return Entered(photo, styles, shares, side, preset, {**handlers.entered_values({}), **options})


def test_nothing_but_pictures_and_size_gives_the_defaults():
    values = form.values_of(entered(), 2048)
    assert values == {"content": PHOTO.path, "styles": (STYLES[0].path,), "width": 512}
    assert form.config_of(values) == Config(PHOTO.path, [STYLES[0].path], width=512)


def test_the_size_is_that_of_the_longer_side():
    assert form.values_of(entered(TALL, side=400), 2048)["width"] == 300
    assert handlers.side_of({"width": 300}, TALL) == 400


def test_every_option_that_harms_nobody_is_on_the_page():
    on_page = {*form.MAIN, *form.MORE_NAMES}
    harmless = {name for name, option in OPTIONS.items() if form.is_on_page(option)}
    assert on_page == harmless
    files = {name for name, option in OPTIONS.items() if option.is_path} - {"init"}
    assert not on_page & (files | {"weights", "device", "memory", "tile_size", "max_pixels", "overwrite", "precision"})
    assert not on_page & {name for name, option in OPTIONS.items() if option.group == "Progress"}


def test_what_is_entered_reaches_the_run():
    values = form.values_of(
        entered(
            styles=STYLES,
            shares=(1, 3),
            strength=0.8,
            seed=7,
            quality="best",
            color="match",
            iterations="20",
            history_size=20.0,
            style_layers="relu1_1, relu2_1",
            style_scales="1 1.5",
            mask_erosion=False,
            init="recolored",
            preset="",
        ),
        2048,
    )
    config = form.config_of(values)
    assert config.style_blend_weights == (1, 3)
    assert (config.strength, config.seed, config.quality, config.color) == (0.8, 7, "best", "match")
    assert (config.iterations, config.history_size) == (20, 20)
    assert (config.style_layers, config.style_scales) == (("relu1_1", "relu2_1"), (1, 1.5))
    assert config.init == "recolored"


def test_a_preset_is_what_is_left_open():
    values = form.values_of(entered(preset="johnson", iterations=9), 2048)
    assert form.config_of(values) == Config.of_preset("johnson", PHOTO.path, [STYLES[0].path], width=512, iterations=9)


def test_a_texture_needs_a_size_and_no_photo():
    config = form.config_of(form.values_of(entered(None, size="256x128", seamless=True), 2048))
    assert (config.content, config.size, config.seamless) == (None, "256x128", True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"photo": None}, "expected a photo"),
        ({"styles": ()}, "expected a style picture"),
        ({"side": 4000}, "size: expected 128 to 2048 px, got 4000"),
        ({"side": 0}, "size: expected 128 to 2048 px, got 0"),
        ({"photo": None, "size": "9000x9000"}, "size: expected at most 2048 px a side"),
        ({"photo": None, "size": "9000×9000"}, "size: expected at most 2048 px a side"),
        ({"style_scales": "1 x"}, "style_scales: expected numbers with spaces between, got '1 x'"),
        ({"style_scales": "1 " * 101}, "style_scales: expected at most 100 values"),
        ({"init": "/etc/passwd"}, "init: expected one of content, recolored"),
        ({"iterations": 2.5}, "iterations: expected a whole number"),
        ({"iterations": "2.5"}, "iterations: expected a whole number, got '2.5'"),
        ({"learning_rate": "fast"}, "learning_rate: expected a number, got 'fast'"),
        ({"iterations": "many"}, "iterations: expected a whole number"),
        ({"quality": "perfect"}, "quality: expected sketch or draft"),
        ({"width": 10**9}, "size: expected"),
        ({"width": 4000}, "size: expected"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(changes, message):
    with pytest.raises(UsageError, match=f"^{message}"):
        form.config_of(form.values_of(entered(**changes), 2048))


def test_fields_show_what_they_read():
    for name in (*form.MAIN, *form.MORE_NAMES):
        option = OPTIONS[name]
        assert form.read(option, form.shown(option, option.default)) in (option.default, None), name
    assert form.shown(OPTIONS["style_scales"], (1.0, 0.5)) == "1 0.5"
    assert form.read(OPTIONS["style_scales"], "1 0.5") == (1.0, 0.5)


def test_files_are_named_without_folders():
    named = form.without_folders(
        {"content": "/files/photo.jpg", "styles": ("/files/a.jpg",), "init": "noise", "seed": 1}
    )
    assert named == {"content": "photo.jpg", "styles": ("a.jpg",), "init": "noise", "seed": 1}
