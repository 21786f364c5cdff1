import dataclasses
import pickle

import pytest

from neural_style.config.config import OPTIONS, Config
from neural_style.config.resolve import ResolvedConfig, resolve

LEFT_OPEN = (
    *("loss", "variables", "iterations", "scale_iterations", "tolerance", "learning_rate"),
    *("initial_noiseblend", "preview_width"),
    *("content_weight", "content_loss", "style_weight", "style_reduction", "tv_weight"),
    *("style_loss", "style_loss_weights", "style_loss_layers", "strength", "style_fit"),
)


def config(**options):
    return Config(**{"content": "photo.jpg", "styles": ["painting.jpg"], **options})


def test_every_option_that_decides_about_a_run_has_a_value():
    made = resolve(config())
    values = ["balanced", "frequencies", 300, 25, 0.08, 10.0, 0.0, 0, 1.0, "relative", 60.0, "relative", 1e-4]
    values += [
        ("gram", "mean_std", "wasserstein"),
        (1.0, 2.0, 0.25),
        ("all", "all", "block1+block2+block3"),
        0.5,
        "width",
    ]
    assert [getattr(made, name) for name in LEFT_OPEN] == values
    assert made.decided == set(LEFT_OPEN)
    for name in LEFT_OPEN:
        assert getattr(config(), name) is None


def test_what_is_left_to_the_optimizer():
    for options, iterations, tolerance in (
        ({}, 300, 0.08),
        ({"optimizer": "lbfgs"}, 300, 0.08),
        ({"loss": "athalye"}, 300, 0.005),
        ({"loss": "athalye", "optimizer": "adam"}, 1000, 0),
        ({"optimizer": "adam"}, 1000, 0),
        ({"optimizer": "scipy"}, 300, 0),
        ({"optimizer": "adam", "iterations": 7}, 7, 0),
        ({"tolerance": 0, "iterations": 7}, 7, 0),
        ({"tolerance": 0.25}, 300, 0.25),
        ({"optimizer": "adam", "tolerance": 0.25}, 1000, 0.25),
    ):
        made = resolve(config(**options), {})
        assert (made.iterations, made.tolerance) == (iterations, tolerance), options


def test_a_replaced_optimizer_gets_its_own_defaults():
    """Since a configuration keeps open what was not given, however often it is changed."""
    for first, second in (("lbfgs", "adam"), ("adam", "lbfgs"), ("scipy", "adam")):
        replaced = dataclasses.replace(config(optimizer=first), optimizer=second)
        assert replaced == config(optimizer=second)
        assert resolve(replaced) == resolve(config(optimizer=second))
    adam = resolve(dataclasses.replace(config(), optimizer="adam"))
    assert (adam.iterations, adam.tolerance) == (1000, 0)
    kept = resolve(dataclasses.replace(config(iterations=300, tolerance=0.08), optimizer="adam"))
    assert (kept.iterations, kept.tolerance) == (300, 0.08)


def test_a_replaced_loss_gets_its_own_tolerance():
    assert resolve(dataclasses.replace(config(loss="balanced"), loss="athalye")).tolerance == 0.005


def test_the_tolerance_follows_the_loss_that_is_left_to_the_network():
    assert resolve(config(), {"loss": "athalye"}).tolerance == 0.005
    assert resolve(config(loss="balanced"), {"loss": "athalye"}).tolerance == 0.08


def test_the_loss_fills_in_what_was_not_given():
    names = ("content_weight", "content_loss", "style_weight", "style_reduction", "tv_weight")
    for options, settings in (({"loss": "athalye"}, {}), ({}, {"loss": "athalye"})):
        made = resolve(config(**options, style_weight=7), settings)
        assert [getattr(made, name) for name in names] == [5, "mean", 7, "mean", 100]
        assert made.decided >= {*names} - {"style_weight"}
        assert "style_weight" not in made.decided


def test_a_replaced_loss_gets_its_own_weights():
    """Of a resolved configuration, too, but for those that were given."""
    made = resolve(config(style_weight=7, content_loss="sum"))
    other = resolve(dataclasses.replace(made, loss="athalye"))
    assert (other.content_weight, other.style_weight, other.tv_weight) == (5, 7, 100)
    assert (other.content_loss, other.style_reduction) == ("sum", "mean")


def test_a_tolerance_that_was_given_stays_with_another_optimizer():
    """Though it be a default of the one asked for: memory may leave a run with Adam."""
    for loss, usual in (("athalye", 0.005), ("balanced", 0.08)):
        given, open_ = resolve(config(loss=loss, tolerance=usual)), resolve(config(loss=loss))
        assert given.tolerance == open_.tolerance == usual
        assert [given.tolerance_of(optimizer) for optimizer in ("lbfgs", "adam", "scipy")] == [usual] * 3
        assert [open_.tolerance_of(optimizer) for optimizer in ("lbfgs", "adam", "scipy")] == [usual, 0, 0]
    assert resolve(config(tolerance=0)).tolerance_of("lbfgs") == 0
    assert resolve(config(optimizer="adam")).tolerance_of("lbfgs") == 0.08


def test_what_is_given_wins_over_the_network_and_the_network_over_the_custom():
    for given, of_network, resolved in ((None, 3.0, 3.0), (None, None, 10.0), (7.0, 3.0, 7.0)):
        settings = {} if of_network is None else {"learning_rate": of_network}
        made = resolve(config(learning_rate=given), settings)
        assert made.learning_rate == resolved
        assert ("learning_rate" in made.decided) == (given is None)


def test_share_of_noise_in_the_start():
    """That of the network is meant for a start without an initial picture."""
    for of_network in (1.0, 0.125):
        for initial, blend, share in (
            (None, None, of_network),
            (None, 0.0, 0.0),
            (None, 0.25, 0.25),
            ("start.png", None, 0.0),
            ("start.png", 0.25, 0.25),
        ):
            made = resolve(config(initial=initial, initial_noiseblend=blend), {"initial_noiseblend": of_network})
            assert made.initial_noiseblend == share


def test_share_of_noise_in_a_start_by_name():
    """Noise is all of the noise, and nothing of the others, whatever the network says."""
    for init in ("content", "style_colors", "gray", "style", "start.png"):
        assert resolve(config(init=init), {"initial_noiseblend": 0.75}).initial_noiseblend == 0
        assert resolve(config(init=init, initial_noiseblend=0.5), {}).initial_noiseblend == 0.5
    assert resolve(config(init="noise"), {"initial_noiseblend": 0.75}).initial_noiseblend == 1


def test_another_start_of_a_resolved_configuration_has_its_own_share_of_noise():
    made = resolve(config(), {"initial_noiseblend": 0.75})
    for init, share in (("noise", 1), ("gray", 0), ("content", 0), (None, 0.75)):
        made = resolve(dataclasses.replace(made, init=init))
        assert made.initial_noiseblend == share
        assert "initial_noiseblend" in made.decided


def test_a_resolved_configuration_stands_for_a_configuration():
    """Resolving it again for the same network changes nothing."""
    settings = {"loss": "athalye", "learning_rate": 3.0, "preview_width": 256, "initial_noiseblend": 1.0}
    for options in ({}, {"optimizer": "adam", "tolerance": 0.1}, {"initial": "start.png"}, {"init": "noise"}):
        made = resolve(config(**options), settings)
        assert isinstance(made, ResolvedConfig)
        assert isinstance(made, Config)
        assert resolve(made, settings) == resolve(made) == made
        assert resolve(made).decided == made.decided
        assert made.content_terms == config(**options, loss=made.loss).content_terms
        assert made.style_terms == config(**options, loss=made.loss).style_terms


def test_a_resolved_configuration_is_a_value():
    made = resolve(config(), {"loss": "athalye"})
    assert made == resolve(config(), {"loss": "athalye"}) == pickle.loads(pickle.dumps(made))
    assert hash(made) == hash(pickle.loads(pickle.dumps(made)))
    assert made != resolve(config(), {})
    assert made != resolve(config(loss="athalye"))  # of which less was decided
    assert made != config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.loss = "balanced"
    assert dataclasses.replace(made, precision="float16").precision == "float16"
    assert dataclasses.replace(made, precision="float16").decided == made.decided


def test_a_change_of_a_resolved_configuration_counts_as_given():
    """And another optimizer brings its own defaults for what was not given."""
    made = resolve(config(), {"learning_rate": 3.0})
    other = resolve(dataclasses.replace(made, optimizer="adam"))
    assert (other.iterations, other.tolerance) == (1000, 0)
    assert other.learning_rate == 3
    for name, value in {"tolerance": 0.9, "iterations": 7, "learning_rate": 2.0, "preview_width": 64}.items():
        changed = dataclasses.replace(made, **{name: value})
        assert changed.decided == made.decided - {name}
        again = resolve(dataclasses.replace(changed, optimizer="adam"))
        assert getattr(again, name) == value
    assert dataclasses.replace(made, tolerance=0.9).tolerance_of("adam") == 0.9


def test_strength_is_usual_unless_weights_say_otherwise():
    for options, expected in (
        ({}, 0.5),
        ({"strength": 0.25}, 0.25),
        ({"style_weight": 60.0}, None),
        ({"content_weight": 2.0}, None),
        ({"strength": 0.25, "style_weight": 7.0}, 0.25),
        ({"tv_weight": 3.0}, 0.5),
        ({"loss": "athalye"}, None),
        ({"loss": "athalye", "strength": 0.5}, 0.5),
    ):
        assert resolve(config(**options)).strength == expected, options


def test_strength_multiplies_the_weight_of_the_style():
    """Whatever it is, such as that of a preset; a saved strength does not do so again."""
    for options in ({}, {"style_weight": 7.0}, {"loss": "athalye"}):
        weak, usual, strong = (resolve(config(strength=value, **options)) for value in (0.25, 0.5, 0.75))
        factors = [made.factor("style_weight") for made in (weak, usual, strong)]
        assert factors[1] == usual.in_effect("style_weight") * (1 if "loss" in options else 2**20)
        assert factors[0] * factors[2] == pytest.approx(factors[1] ** 2)
        assert factors[0] < factors[1] / 3
        assert weak.style_weight == strong.style_weight
        for made in (weak, strong):
            assert made.factor("content_weight") == usual.factor("content_weight")


def test_the_ends_of_strength_leave_one_loss():
    photo, texture = (resolve(config(strength=value)) for value in (0, 1))
    assert (photo.factor("style_weight"), dict(photo.style_terms)) == (0, {})
    assert (texture.factor("content_weight"), dict(texture.content_terms)) == (0, {})
    assert texture.factor("style_weight") == resolve(config()).factor("style_weight")
    assert photo.content_terms
    assert (photo.tv_weight, resolve(config(strength=0, tv_weight=3.0)).tv_weight) == (0, 3)
    assert texture.tv_weight == resolve(config()).tv_weight > 0
    assert texture.style_terms


def test_a_network_with_another_loss_has_no_strength():
    first = resolve(config())
    made = resolve(first, {"loss": "athalye"})
    assert (first.loss, first.strength) == ("balanced", 0.5)
    assert resolve(config(), {"loss": "athalye"}).strength is None
    assert (made.loss, made.strength) == ("athalye", None)


def test_a_resolved_strength_is_kept():
    for options in ({}, {"strength": 0.25}, {"strength": 1}, {"strength": 0}, {"style_weight": 3.0}):
        made = resolve(config(**options))
        assert resolve(made) == made


CHANGES = {
    "optimizer": ("lbfgs", "adam", "scipy", "sgd"),
    "pixel_range": (255, 1),
    "loss": ("balanced", "athalye"),
    "init": (None, "noise", "gray", "start.png"),
    "style_loss": (None, ("gram",), ("gram", "mean_std", "covariance")),
    "style_weight": (None, 7.0),
    "iterations_by_scale": (None, (9, 7)),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize(
    "settings", [{}, {"loss": "athalye", "learning_rate": 3.0, "initial_noiseblend": 0.75}], ids=str
)
def test_what_was_decided_follows_every_change(name, settings):
    """As if it had been asked for at first, whatever else was asked for, and after any change before it."""
    for base in (
        {},
        {"optimizer": "sgd"},
        {"pixel_range": 1, "optimizer": "adam"},
        {"loss": "athalye", "init": "gray"},
    ):
        for first in CHANGES[name]:
            before = resolve(config(**{**base, name: first}), settings)
            for second in CHANGES[name]:
                again = resolve(dataclasses.replace(before, **{name: second}))
                asked = resolve(config(**{**base, name: second}), settings)
                for option in OPTIONS:
                    assert getattr(again, option) == getattr(asked, option), (base, first, second)
                assert resolve(again) == again


OF_NETWORK = {"learning_rate": 3.0, "preview_width": 256, "loss": "athalye", "initial_noiseblend": 1.0}


@pytest.mark.parametrize("options", [{}, {"optimizer": "adam"}, {"loss": "balanced"}, {"learning_rate": 7.0}], ids=str)
@pytest.mark.parametrize(("before", "after"), [(OF_NETWORK, {}), ({}, OF_NETWORK)], ids=["from", "to"])
def test_what_was_decided_follows_another_network(options, before, after):
    """As if it had been asked for with that network at first."""
    made = resolve(config(**options), before)
    again = resolve(dataclasses.replace(made, weights="other.npz"), after)
    assert again == resolve(config(**options, weights="other.npz"), after)


def test_precision_and_memory_that_were_chosen_follow_another_device():
    made = resolve(config()).on_device(precision="float16", memory="3GB")
    assert (made.precision, made.memory) == ("float16", "3GB")
    assert resolve(made) == made  # the same device repeats the run
    other = resolve(dataclasses.replace(resolve(made), device="cpu"))
    assert (other.precision, other.memory) == ("auto", "auto")
    assert other == resolve(config(device="cpu"))
    assert dataclasses.replace(made, device="cpu", memory="5GB").memory == "5GB"
    again = made.on_device(precision="float16", memory="3GB")  # a run of the same configuration
    assert dataclasses.replace(again, device="cpu").precision == "auto"


def test_precision_and_memory_that_were_given_follow_no_change():
    made = resolve(config(precision="float32", memory="3GB")).on_device(precision="float32", memory="2GB")
    other = dataclasses.replace(made, device="cpu")
    assert (other.precision, other.memory) == ("float32", "2GB")


def test_what_was_given_follows_no_change():
    made = resolve(config(optimizer="sgd", learning_rate=0.5, iterations=7, tolerance=0.25, content_weight=3.0))
    for changes in ({"pixel_range": 1}, {"optimizer": "adam"}, {"loss": "athalye"}, {"init": "noise"}):
        again = resolve(dataclasses.replace(made, **changes), {"learning_rate": 3.0})
        assert (again.learning_rate, again.iterations, again.tolerance, again.content_weight) == (0.5, 7, 0.25, 3)


# --- units of pixels --------------------------------------------------------------------------------------------------


def test_rates_of_gray_levels():
    """Adam's step is 255 times as long and ε 255 times smaller; so is a gradient, too, of pixels of 0 to 1."""
    levels = resolve(config(learning_rate=0.5, eps=0.1))
    assert levels.rates_of("adam") == levels.rates_of("sgd") == (0.5, 0.1)
    made = resolve(config(learning_rate=0.5, eps=0.1, pixel_range=1))
    assert made.rates_of("adam") == (127.5, pytest.approx(0.1 / 255))
    assert made.rates_of("sgd") == (0.5 * 255**2, pytest.approx(0.1 / 255))


@pytest.mark.parametrize(("settings", "rate"), [({}, 10.0), ({"learning_rate": 3.0}, 3.0)])
def test_the_usual_learning_rate_is_the_same_step_in_any_unit(settings, rate):
    for top in (255, 1):
        made = resolve(config(pixel_range=top), settings)
        assert made.rates_of("adam")[0] == pytest.approx(rate)
        assert resolve(made, settings).learning_rate == resolve(made).learning_rate == made.learning_rate


@pytest.mark.parametrize("top", [255, 1])
def test_sgd_has_a_learning_rate_of_its_own(top):
    settings = {"learning_rate": 3.0}
    sgd, adam = (resolve(config(optimizer=name, pixel_range=top), settings) for name in ("sgd", "adam"))
    assert sgd.rates_of("sgd")[0] == pytest.approx(0.01)
    for made, other in ((sgd, adam), (adam, sgd)):
        changed = resolve(dataclasses.replace(made, optimizer=other.optimizer), settings)
        assert changed.learning_rate == other.learning_rate
    given = resolve(config(optimizer="sgd", learning_rate=0.5), settings)
    assert resolve(dataclasses.replace(given, optimizer="adam"), settings).learning_rate == 0.5
