import numpy as np
import pytest
from small_runs import small_config

from neural_style.compute.loss_weights import loss_spec
from neural_style.config.config import OPTIONS
from neural_style.config.resolve import resolve
from neural_style.errors import UsageError
from neural_style.runs.reweighting import WEIGHTS, reweighted

PICTURE = np.zeros((48, 64, 3), np.uint8)


def config(**changes):
    return resolve(small_config(PICTURE, [PICTURE], **changes), {})


def test_every_weight_is_an_option():
    assert set(WEIGHTS) <= set(OPTIONS)
    assert {name for name in OPTIONS if "weight" in name} - set(WEIGHTS) == {"weights"}


def test_nothing_else_changes():
    before = config()
    after = reweighted(before, {"style_weight": 3.0, "tv_weight": 0}, loss_spec(before))
    new = {"style_weight": 3, "tv_weight": 0, "strength": None}
    for name in OPTIONS:
        expected = new.get(name, getattr(before, name))
        assert getattr(after, name) is expected or getattr(after, name) == expected
    assert after.decided == before.decided - {*new}
    assert before.style_weight != 3
    assert reweighted(before, {}, loss_spec(before)) == before


def test_layers_may_go_and_come_back():
    """Those of the run, though none that it never had."""
    before = config()
    spec = loss_spec(before)
    fewer = reweighted(before, {"style_layer_weights": (0.0, 1.0), "content_weight": 0.0}, spec)
    assert (tuple(fewer.style_terms), dict(fewer.content_terms)) == (("relu1_1",), {})
    again = reweighted(fewer, {"style_layer_weights": (1.0, 1.0), "content_weight": 1.0}, spec)
    assert loss_spec(again) == spec
    with pytest.raises(UsageError, match=r"of the style loss among relu1_1, got conv1_1 as well; begin a new session"):
        reweighted(fewer, {"style_layer_weights": (1.0, 1.0)}, loss_spec(fewer))
    with pytest.raises(UsageError, match=r"of the content loss among none, got relu1_1 as well"):
        reweighted(fewer, {"content_weight": 1.0}, loss_spec(fewer))


@pytest.mark.parametrize("name", ["seed", "iterations", "learning_rate", "weights", "tv_width", "nonsense", "decided"])
def test_other_options_are_refused(name):
    with pytest.raises(UsageError, match=rf"^set_weights: expected some of strength, .*, tv_weight, got {name}$"):
        reweighted(config(), {name: 1, "style_weight": 3.0}, loss_spec(config()))


def test_a_strength_sets_both_weights():
    before = config()
    after = reweighted(before, {"strength": 0.75}, loss_spec(before))
    assert after.factor("style_weight") == config(strength=0.75).factor("style_weight") > before.factor("style_weight")
    assert reweighted(after, {"strength": 0.5}, loss_spec(before)).factor("style_weight") == before.factor(
        "style_weight"
    )
    texture = reweighted(before, {"strength": 1}, loss_spec(before))
    assert (texture.factor("content_weight"), dict(texture.content_terms)) == (0, {})
    photo = reweighted(before, {"strength": 0}, loss_spec(before))
    assert not photo.style_terms
    assert photo.tv_weight == photo.factor("tv_weight") == 0
    assert reweighted(photo, {"strength": 0.5}, loss_spec(before)).tv_weight == before.tv_weight > 0


def test_a_default_variation_follows_the_strength_and_a_given_one_stays():
    before = config()
    for first in ({"tv_weight": None}, {"strength": 0, "tv_weight": None}):
        between = reweighted(before, first, loss_spec(before))
        for strength, expected in ((0, 0), (0.5, before.tv_weight)):
            assert reweighted(between, {"strength": strength}, loss_spec(before)).tv_weight == expected
    given = reweighted(before, {"tv_weight": 7.0}, loss_spec(before))
    assert reweighted(given, {"strength": 0}, loss_spec(before)).tv_weight == 7


def test_a_weight_ends_the_corrections_for_a_strength():
    before = config()
    assert before.strength == 0.5
    for weights in ({"style_weight": 3.0}, {"content_weight": 2.0}):
        assert reweighted(before, weights, loss_spec(before)).strength is None
    for weights in ({"tv_weight": 0.0}, {"strength": 0.5, "style_weight": 3.0}):
        after = reweighted(before, weights, loss_spec(before))
        assert (after.strength, after.style_weight) == (0.5, weights.get("style_weight", before.style_weight))


def test_new_weights_count_as_given():
    """Though they be those that were decided: as the settings of another run, they give the same weights."""
    before = config()
    for weights in ({"content_weight": before.content_weight}, {"strength": 0.5, "style_weight": before.style_weight}):
        after = reweighted(before, weights, loss_spec(before))
        assert resolve(after).strength == after.strength == weights.get("strength")


def test_a_strength_that_was_ended_does_not_come_back():
    before = config()
    for weights in ({"strength": None}, {"strength": None, "style_weight": None}, {"content_weight": None}):
        after = reweighted(before, weights, loss_spec(before))
        assert after.strength is resolve(after).strength is None
        assert (after.content_weight, after.style_weight) == (before.content_weight, before.style_weight)
        assert resolve(after) == after
    assert reweighted(after, {"strength": 0.5}, loss_spec(before)).strength == 0.5


def test_none_stands_for_the_default_of_a_weight():
    before = config(tv_weight=3.0, style_weight=4.0, content_weight=5.0, style_loss_weights=(2.0,))
    new = dict.fromkeys(("tv_weight", "style_weight", "content_weight", "style_loss_weights"))
    after, usual = reweighted(before, new, loss_spec(before)), config()
    assert {name: getattr(after, name) for name in new} == {name: getattr(usual, name) for name in new}
    assert resolve(after) == after


def test_statistics_of_the_run_can_be_weighted_and_no_others():
    two = {"style_loss": ("gram", "mean_std"), "style_layers": ("relu1_1",)}
    before = config(**two)
    after = reweighted(before, {"style_loss_weights": (0, 2)}, loss_spec(before))
    assert after.style_statistics == {"gram": 0, "mean_std": 2}
    assert reweighted(after, {"style_loss_weights": (1, 2)}, loss_spec(before)).style_loss_weights == (1, 2)
    with pytest.raises(UsageError, match=r"^set_weights: expected layers of the style loss among none, got relu1_1"):
        reweighted(after, {"style_loss_weights": (1, 2)}, loss_spec(after))
