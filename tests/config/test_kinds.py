"""Textures, which have no content, and reconstructions, which have no style."""

import pickle
import re

import pytest

from neural_style.config import checks, kinds
from neural_style.config.config import OPTIONS, Config
from neural_style.config.resolve import resolve
from neural_style.config.serialize import from_json, to_json
from neural_style.errors import UsageError


def texture(**options):
    return Config(**{"styles": ["painting.jpg"], "size": "512x384", **options})


def reconstruction(**options):
    return Config(**{"content": "photo.jpg", "style_weight": 0, **options})


def refused(make, **options):
    with pytest.raises(UsageError) as caught:
        make(**options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("size", ["512x384", "512×384", "512X384", " 0512 x 384 ", (512, 384), [512, 384]])
def test_spellings_of_a_size(size):
    made = texture(size=size)
    assert (made.size, made.texture_size) == ("512x384", (512, 384))
    assert made == texture()


@pytest.mark.parametrize("size", ["512", "512x", "x", "5.5x5", "-5x50", "512x384x3", (512,), (512.0, 384), "٥٥x٥٥"])
def test_what_is_no_size(size):
    assert refused(texture, size=size).startswith("size: expected WIDTHxHEIGHT in pixels, such as 512x512, got")


def test_limits_of_a_size():
    assert refused(texture, size="31x64") == "size: expected at least 32 px a side, got 31x64"
    assert "expected at most 1000 pixels, got 512x384; give less, or raise --max_pixels" in refused(
        texture, max_pixels=1000
    )


@pytest.mark.parametrize("family", ["balanced", "athalye"])
def test_a_texture_has_no_content_terms_and_starts_in_the_colors_of_its_styles(family):
    made = resolve(texture(loss=family), {"loss": "athalye", "initial_noiseblend": 1.0, "preview_width": 256})
    assert made.content_terms == {}
    assert made.factor("content_weight") == 0
    assert made.strength is None
    assert (made.start, made.initial_noiseblend, made.style_fit) == ("style_colors", 0.0, "original")
    assert made.factor("style_weight") == resolve(Config("a", ["b"], loss=family, strength=1)).factor("style_weight")


def test_starts_and_fits_that_are_given():
    assert resolve(texture(init="noise")).initial_noiseblend == 1
    assert resolve(texture(initial_noiseblend=1)).start == "noise"
    assert resolve(texture(init="style")).start == "style"
    assert resolve(texture(style_fit="width")).style_fit == "width"
    assert resolve(Config("a", ["b"], style_fit="original")).style_fit == "original"


def test_a_reconstruction_starts_from_noise():
    made = resolve(reconstruction(content_layers=("relu4_2",)))
    assert (made.start, made.initial_noiseblend, made.style_terms) == ("noise", 1.0, {})
    assert made.is_reconstruction
    assert resolve(reconstruction(init="content")).start == "content"
    assert resolve(reconstruction(initial="a.png")).start == "picture"
    assert resolve(reconstruction(initial_noiseblend=0.5)).start == "content"


def test_a_photo_of_strength_0_is_no_reconstruction():
    made = resolve(Config("a", ["b"], strength=0))
    assert (made.start, made.initial_noiseblend) == ("content", 0.0)
    assert refused(Config, content="a", strength=0).startswith("expected --styles, got none")


def test_a_style_that_loses_its_weight_during_a_run_does_not_change_its_start():
    from neural_style.compute.loss_weights import loss_spec
    from neural_style.runs.reweighting import reweighted

    before = resolve(Config("a", ["b"]))
    assert reweighted(before, {"style_weight": 0}, loss_spec(before)).start == "content"


VALUES = {
    **{"strength": 0.3, "content_weight": 1.0, "content_loss": "mean", "content_weight_blend": 0.5},
    **{"content_layers": ("relu4_2",), "content_layer_weights": (1.0,), "photo_details": 0.5},
    **{"preserve_colors": True, "opacity": 0.5, "color": "match", "color_space": "lab", "color_transfer": "pca"},
    **{"color_mask": "m.png", "content_mask": "m.png", "content_masks": ("m.png",), "style_masks": ("m.png",)},
    **{"mask_erosion": True},
    **{"style_scales": (2.0,), "style_fit": "longest", "style_rotations": (90,), "style_blend_weights": (1.0,)},
    **{"style_layers_of": ("all",), "style_loss": ("gram",), "style_loss_weights": (1.0, 1.0, 1.0)},
    **{"style_loss_layers": ("all", "all", "all"), "style_reduction": "sum", "gram_normalization": "none"},
    **{"style_layers": ("relu1_1",), "style_layer_weights": (1.0,) * 5, "style_layer_weight_exp": 2.0},
}


BESIDE = {
    "color_space": {"color": "match"},
    "color_transfer": {"color": "match"},
    "color_mask": {"preserve_colors": True},
}
"""Options that others need, which would be refused without them."""


def test_options_without_sense_are_refused():
    assert {*VALUES} == {*kinds.OF_CONTENT, *kinds.OF_STYLE}
    for name in kinds.OF_CONTENT:
        given = {name: VALUES[name], **BESIDE.get(name, {})}
        assert re.match("(color|color_mask|.*): expected nothing in a texture", refused(texture, **given)), name
    for name in kinds.OF_STYLE:
        said = refused(reconstruction, **{name: VALUES[name], **BESIDE.get(name, {})})
        if name in ("style_masks", "mask_erosion"):  # another check comes first
            continue
        assert said.startswith(f"{name}: expected nothing beside --style_weight 0"), name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"content": "photo.jpg"}, "size: expected nothing beside --content"),
        ({"width": 64}, "width: expected nothing beside --size"),
        ({"init": "content"}, "init: expected a start without content for a texture, got content"),
        ({"init": "recolored"}, "init: expected a start without content for a texture, got recolored"),
        ({"style_weight": 0}, "style_weight: expected more than 0 for a texture"),
        ({"styles": ()}, "styles: expected the pictures that a texture is made of"),
        ({"seamless": True, "padding": "reflect"}, "padding: expected nothing beside --seamless"),
        ({"seamless": True, "size": "500x384"}, "size: expected multiples of 16 px with --seamless and these layers"),
        ({"seamless": True, "size": None, "content": "a.jpg"}, "seamless: expected a texture, got --content"),
    ],
)
def test_contradictions_of_a_texture(options, said):
    assert refused(texture, **options).startswith(said)


def test_contradictions_of_a_reconstruction():
    assert "since there are no --styles, got style_colors" in refused(reconstruction, init="style_colors")
    assert refused(reconstruction, strength=0.5).startswith("strength: expected style_weight above 0")
    both = Config("a", ["b"], style_weight=0)
    with pytest.raises(UsageError, match=r"^styles: expected none beside --style_weight 0"):
        checks.check_use(both)
    checks.check_use(Config("a", ["b"], style_weight=0, init="style_colors"))


def test_units_of_seamless_sizes():
    assert texture(seamless=True).size_unit == 16
    assert texture(seamless=True, style_layers=("relu1_1", "relu3_1")).size_unit == 4
    assert texture(seamless=True, loss_scales=3).size_unit == 64
    assert texture().size_unit == 1
    said = refused(texture, seamless=True, loss_scales=2, size="500x384")
    assert said == (
        "size: expected multiples of 32 px with --seamless and these layers, got 500x384; give 512x384 or 480x384"
    )


def test_a_seamless_network_wraps():
    assert texture(seamless=True).variant.padding == "wrap"
    assert texture().variant.padding == "zeros"


def test_presets_leave_their_content_options_to_photos():
    for name in Config.presets():
        made = resolve(Config.of_preset(name, styles=["b"], size="64x64", seamless=True))
        assert (made.content_terms, made.style_fit, made.variant.padding) == ({}, "original", "wrap"), name
        again = resolve(Config.of_preset(name, "photo.jpg", style_weight=0))
        assert (again.style_terms, again.start) == ({}, "noise"), name


@pytest.mark.parametrize("make", [texture, reconstruction])
def test_resolved_configurations_repeat_the_run(make):
    made = resolve(make())
    assert resolve(from_json(to_json(make()))) == made
    assert resolve(made) == made
    assert pickle.loads(pickle.dumps(made)) == made
    kept = {name: getattr(made, name) for name in OPTIONS if name not in kinds.idle(made)}
    again = resolve(Config(**kept))
    assert {name: getattr(again, name) for name in OPTIONS} == {name: getattr(made, name) for name in OPTIONS}
