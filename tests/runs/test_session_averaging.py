"""Averaged iterates, and moments that are carried from one size to the next, in runs."""

import numpy as np
import pytest
from small_runs import IN_PLACE, POOLED, TWO_SCALES, totals

from neural_style.errors import UsageError
from neural_style.images.color_transfer import luma
from neural_style.images.picture import lanczos
from neural_style.runs.descent import Descent

TILED = {**TWO_SCALES, "tile_size": 64}
BOTH = pytest.mark.parametrize("settings", [TWO_SCALES, TILED], ids=["whole", "tiled"])


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_average_of_all_iterates_is_the_result(begin, evaluations, optimizer):
    rate = {"learning_rate": 1e-8} if optimizer == "sgd" else {}
    with begin(optimizer=optimizer, average_iterates=0.5, iterations=5, **rate, **POOLED) as session:
        steps = list(session)
        result = session.result()
    shares = 0.5 ** np.arange(6)[::-1]
    average = np.tensordot(shares / shares.sum(), np.array(evaluations.images)[:, 0], 1)
    np.testing.assert_allclose(result.image, np.clip(average + session.network.mean, 0, 255), atol=0.51)
    assert all(step.best for step in steps)
    np.testing.assert_array_equal(result.image, steps[-1].image)
    assert totals(steps)[0] != totals(steps)[-1]


@BOTH
def test_the_next_size_starts_from_the_average(begin, evaluations, monkeypatch, settings):
    ends = []
    real = Descent.release
    monkeypatch.setattr(Descent, "release", lambda self: (ends.append(np.array(self.result)), real(self)))
    with begin(average_iterates=0.9, photo_details=0.0, **settings) as session:
        list(session)
    np.testing.assert_allclose(evaluations.at(128)[0], lanczos(ends[0][0], 128, 96)[np.newaxis], atol=1e-3)


def test_the_next_size_gets_the_details_of_the_photo(begin, evaluations, monkeypatch):
    ends = []
    real = Descent.release
    monkeypatch.setattr(Descent, "release", lambda self: (ends.append(np.array(self.result)), real(self)))
    with begin(**TWO_SCALES) as session:
        photo = session._inputs.content.rgb
        list(session)
    enlarged = lanczos(ends[0][0], 128, 96)
    details = luma(photo - lanczos(lanczos(photo, 64, 48), 128, 96))
    assert np.abs(details).max() > 0.1
    np.testing.assert_allclose(evaluations.at(128)[0][0], enlarged + details, atol=1e-3)


def test_moments_of_frequencies_are_not_taken_for_those_of_pixels(begin, evaluations):
    """The larger size is in tiles, where Adam overwrites pixels. It then begins anew there."""
    settings = {**TWO_SCALES, "variables": "frequencies", "tile_size": 64}
    images = []
    for carry_moments in (True, False):
        with begin(**settings, carry_moments=carry_moments) as session:
            images.append(session_result(session))
    np.testing.assert_array_equal(*images)


def session_result(session):
    list(session)
    return session.result().image


@BOTH
@pytest.mark.parametrize("option", [{"average_iterates": 0.9}, {"carry_moments": True}, {"clip": True}], ids=str)
def test_a_restored_run_goes_on_to_the_bit(begin, stylizer, settings, option):
    settings = {**settings, **option, "optimizer": "adam"}
    with begin(**settings) as session:
        whole = totals(session)
        image = session.result().image
    states = []
    with begin(**settings) as session:
        for at in range(1, 7):
            session.step()
            if at in (2, 4, 6):  # within a size, after its last step, and within the next
                states.append(session.state())
    for at, state in zip((2, 4, 6), states, strict=True):
        with stylizer.restore(state) as session:
            assert totals(session) == whole[at:]
            np.testing.assert_array_equal(session.result().image, image)


@BOTH
def test_moments_are_carried(begin, monkeypatch, settings):
    """The first step of the second size then is another one, and counts on."""
    counts = []
    real = Descent.carry_on

    def noted(self, arrays):
        real(self, arrays)
        counts.append((self._state.count, float(np.abs(self._state.mean).max())))

    monkeypatch.setattr(Descent, "carry_on", noted)
    runs = []
    for carry in (False, True):
        with begin(carry_moments=carry, **settings) as session:
            runs.append(totals(session))
    ((count, largest),) = counts
    assert count == 3
    assert largest > 0
    assert runs[0][:5] == runs[1][:5]
    assert runs[0][5:] != runs[1][5:]


def test_new_weights_begin_a_new_average(begin):
    with begin(average_iterates=0.9, iterations=6, **{k: v for k, v in IN_PLACE.items() if k == "width"}) as session:
        for _ in range(3):
            session.step()
        session.set_weights(style_weight=3.0)
        session.step()
        assert session._descent._average.count == 1
        list(session)


@pytest.mark.parametrize(
    ("name", "value", "optimizer"),
    [("average_iterates", 0.9, "lbfgs"), ("average_iterates", 0.9, "scipy"), ("carry_moments", True, "sgd")],
)
def test_other_optimizers_refuse_them(make_config, name, value, optimizer):
    with pytest.raises(UsageError, match=rf"^{name}: expected adam.* as optimizer, got {optimizer}; give --optimizer"):
        make_config(optimizer=optimizer, **{name: value})
