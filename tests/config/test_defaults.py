import math

from neural_style import vgg19_spec
from neural_style.config import defaults
from neural_style.config.config import OPTIONS


def test_tolerances_are_those_of_lbfgs_alone():
    for loss, tolerance in (("balanced", 0.08), ("athalye", 0.005)):
        assert defaults.usual_tolerance("lbfgs", loss) == tolerance
        for optimizer in ("adam", "scipy"):
            assert defaults.usual_tolerance(optimizer, loss) == 0


def test_every_choice_has_its_defaults():
    assert set(defaults.LEFT_TO_OPTIMIZER) == set(OPTIONS["optimizer"].choices)
    assert set(defaults.LOSS_FACTORS) == set(defaults.TOLERANCES) == set(OPTIONS["loss"].choices)
    assert set(defaults.BALANCED_BLOCKS) == {vgg19_spec.block_of(layer) for layer in vgg19_spec.LAYERS}
    assert set(defaults.BLENDED_CONTENT_LAYERS) <= set(vgg19_spec.LAYERS)
    for factors in defaults.LOSS_FACTORS.values():
        assert set(factors) == set(defaults.DEFAULT_WEIGHTS)


def test_what_is_left_open_is_open_in_the_options():
    for values in (defaults.LEFT_TO_NETWORK, *defaults.LEFT_TO_OPTIMIZER.values(), {"tolerance": 0.0}):
        for name, value in values.items():
            assert OPTIONS[name].default is None
            assert OPTIONS[name].checked(value) == value


def test_weights_are_those_of_anishathalye():
    assert defaults.DEFAULT_WEIGHTS == {"content_weight": 5.0, "style_weight": 500.0, "tv_weight": 100.0}
    for name, value in defaults.DEFAULT_WEIGHTS.items():
        assert OPTIONS[name].default == value


def test_factors_of_the_balanced_loss_differ_by_a_power_of_two():
    """Which rounds nothing, and brings gradients to the size that Adam's eps is meant for."""
    balanced = defaults.LOSS_FACTORS["balanced"]
    assert math.log2(balanced["content_weight"]) == 20
    assert balanced["style_weight"] / balanced["content_weight"] == 55
