import math

from neural_style import vgg19_spec
from neural_style.config import defaults
from neural_style.config.config import OPTIONS


def test_tolerances_are_those_of_lbfgs_alone():
    for loss, tolerance in (("balanced", 0.08), ("athalye", 0.005)):
        assert defaults.usual_tolerance("lbfgs", loss) == tolerance
        for optimizer in ("adam", "scipy"):
            assert defaults.usual_tolerance(optimizer, loss) == 0


def test_a_quality_ends_a_run_sooner_or_later():
    """By its number of evaluations, and for L-BFGS by its tolerance, too."""
    lengths = [defaults.usual_lengths("lbfgs", quality, from_photo=True) for quality in ("draft", "normal", "best")]
    assert [each["iterations"] for each in lengths] == [150, 300, 600]
    assert [each["scale_iterations"] for each in lengths] == [12, 25, 25]
    from_noise = defaults.usual_lengths("lbfgs", "best", from_photo=False)
    assert from_noise == {"iterations": 600, "scale_iterations": 120}
    tolerances = [defaults.usual_tolerance("lbfgs", "balanced", quality) for quality in ("draft", "normal", "best")]
    assert tolerances == [0.2, 0.08, 0.01]
    assert defaults.usual_lengths("adam", "draft", from_photo=True)["iterations"] == 500
    sketch = defaults.usual_lengths("lbfgs", "sketch", from_photo=True)
    assert sketch == {"iterations": 12, "scale_iterations": 12}
    assert defaults.usual_lengths("lbfgs", "normal", from_photo=False) == {"iterations": 300, "scale_iterations": 60}
    assert set(defaults.QUALITIES) == set(OPTIONS["quality"].choices)


def test_every_choice_has_its_defaults():
    assert set(defaults.LEFT_TO_OPTIMIZER) == set(OPTIONS["optimizer"].choices)
    assert set(defaults.FAMILIES) == set(defaults.UNITS) == set(defaults.TOLERANCES) == set(OPTIONS["loss"].choices)
    assert set(defaults.BALANCED_BLOCKS) == {vgg19_spec.block_of(layer) for layer in vgg19_spec.LAYERS}
    assert set(defaults.BLENDED_CONTENT_LAYERS) <= set(vgg19_spec.LAYERS)
    assert len({frozenset(values) for values in defaults.FAMILIES.values()}) == 1


def test_what_is_left_open_is_open_in_the_options():
    by_choice = (*defaults.LEFT_TO_OPTIMIZER.values(), *defaults.FAMILIES.values())
    for values in (defaults.LEFT_TO_NETWORK, *by_choice, {"tolerance": 0.0}):
        for name, value in values.items():
            assert OPTIONS[name].default is None
            assert OPTIONS[name].checked(value) == value


def test_weights_are_those_of_anishathalye():
    athalye = defaults.FAMILIES["athalye"]
    assert [athalye[f"{name}_weight"] for name in ("content", "style", "tv")] == [5, 500, 100]
    assert defaults.UNITS["athalye"] == 1


def test_the_unit_of_the_balanced_loss_is_a_power_of_two():
    """Which rounds nothing, and brings gradients to the size that Adam's eps is meant for."""
    assert math.log2(defaults.UNITS["balanced"]) == 20
    balanced = defaults.FAMILIES["balanced"]
    assert [balanced[f"{name}_weight"] for name in ("content", "style", "tv")] == [1, 60, 1e-4]


def test_defaults_by_family_in_words():
    assert defaults.by_family("tv_weight") == "By default 0.0001 (balanced) or 100 (athalye)."
    assert defaults.by_family("content_loss") == "By default relative (balanced) or mean (athalye)."
