import copy
import dataclasses
import io
import pickle

import numpy as np
import pytest
from PIL import Image

from neural_style.errors import NeuralStyleError
from neural_style.runs.step import LOSS_NAMES, Result, Step


def losses(total=6.0):
    return {"content": 1.0, "style": 2.0, "tv": 3.0, "total": total}


def by_layer():
    return {"content": {"relu4_2": 1.0}, "style": {"relu1_1": 0.5, "relu2_1": 1.5}, "tv": {"image": 3.0}}


def pixels():
    return np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def step(**changes):
    fields = {"iteration": 3, "losses": losses(), "scale": (4, 2), "best": True, "alpha": None, "render": pixels}
    return Step(**{**fields, "losses_by_layer": by_layer(), **changes})


ALPHA = np.array([[0, 1, 0.5, 1], [1, 1, 0.2, 0]], np.float32)


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*(field.name for field in dataclasses.fields(Step)), "image"])
def test_fields_cannot_be_set(name):
    record = step()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, name, None)


def test_losses_cannot_be_changed_from_in_or_outside():
    given, of_layers = losses(), by_layer()
    for record in (step(losses=given, losses_by_layer=of_layers), pickle.loads(pickle.dumps(step()))):
        given["total"], of_layers["style"]["relu1_1"] = -1, -1
        assert record.losses["total"] == 6
        assert record.losses_by_layer["style"]["relu1_1"] == 0.5
        for values in (record.losses, record.losses_by_layer, record.losses_by_layer["style"]):
            name = next(iter(values))
            with pytest.raises(TypeError):
                values[name] = 0
            with pytest.raises(TypeError):
                del values[name]
        assert dict(record.losses) == losses()
        assert {name: dict(values) for name, values in record.losses_by_layer.items()} == by_layer()


def test_names_of_losses_are_those_of_a_step():
    assert tuple(step().losses) == LOSS_NAMES


def test_losses_by_layer_may_be_left_out():
    assert dict(Step(0, losses(), (4, 2), True, None, pixels).losses_by_layer) == {}


def test_repr_is_short():
    assert len(repr(step(alpha=np.zeros((500, 500))))) < 200


# --- the image --------------------------------------------------------------------------------------------------------


def test_image_is_made_on_first_use_and_once():
    made = []

    def render():
        made.append(pixels())
        return made[-1]

    record = step(render=render)
    repr(record)
    assert made == []
    assert record.image is record.image
    np.testing.assert_array_equal(record.image, pixels())
    _ = record.image_with_alpha
    assert len(made) == 1


def test_image_cannot_be_changed():
    record = step()
    with pytest.raises(ValueError, match="read-only"):
        record.image[0, 0] = 0
    np.testing.assert_array_equal(record.image, pixels())


def test_alpha_is_put_back():
    image = step(alpha=ALPHA).image_with_alpha
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image[..., :3], pixels())
    np.testing.assert_array_equal(image[..., 3], [[0, 255, 128, 255], [255, 255, 51, 0]])
    np.testing.assert_array_equal(step().image_with_alpha, pixels())  # opaque: three channels


def test_alpha_is_put_back_in_16_bits():
    deep = pixels().astype(np.uint16) * 1000
    image = step(alpha=ALPHA, render=deep.copy).image_with_alpha
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image[..., :3], deep)
    np.testing.assert_array_equal(image[..., 3], [[0, 65535, 32768, 65535], [65535, 65535, 13107, 0]])


# --- to other processes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_numbers_are_always_pickled(protocol):
    """Whatever makes the image, which here cannot be pickled."""
    sent = pickle.loads(pickle.dumps(step(render=lambda: pixels() + 1, alpha=ALPHA), protocol))
    assert (sent.iteration, sent.scale, sent.best) == (3, (4, 2), True)
    assert dict(sent.losses) == losses()
    assert {name: dict(values) for name, values in sent.losses_by_layer.items()} == by_layer()
    np.testing.assert_array_equal(sent.alpha, ALPHA)


def test_an_image_that_was_made_goes_along():
    record = step(alpha=ALPHA)
    _ = record.image
    sent = pickle.loads(pickle.dumps(record))
    np.testing.assert_array_equal(sent.image, pixels())
    np.testing.assert_array_equal(sent.image_with_alpha, record.image_with_alpha)
    with pytest.raises(ValueError, match="read-only"):
        sent.image[0, 0] = 0
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(sent)).image, pixels())


def test_a_step_sent_without_its_image_says_so():
    record = step()
    sent = pickle.loads(pickle.dumps(record))
    for name in ("image", "image_with_alpha"):
        with pytest.raises(
            NeuralStyleError, match=r"came from another process without its image; read step\.image there"
        ):
            getattr(sent, name)
    np.testing.assert_array_equal(record.image, pixels())  # here it is made all the same
    with pytest.raises(NeuralStyleError, match="without its image"):
        _ = pickle.loads(pickle.dumps(sent)).image


def test_pickling_makes_no_image():
    def render():
        raise AssertionError("nobody looked at it")

    pickle.dumps(step(render=render))
    copy.copy(step(render=render))


def test_results_are_pickled_and_cannot_be_set():
    result = Result(pixels(), losses(), 3, 7, None, "builtin#sha256:0", "CPU:0", "float32", "4×2 px whole")
    sent = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(sent.image, pixels())
    assert (sent.losses, sent.iteration, sent.iterations, sent.plan) == (losses(), 3, 7, "4×2 px whole")
    with pytest.raises(dataclasses.FrozenInstanceError):
        sent.iteration = 0
    assert len(repr(result)) < 300


# --- smaller images ---------------------------------------------------------------------------------------------------


def test_a_small_image_is_made_without_the_image_if_possible():
    sizes = []

    def small(width, height):
        sizes.append((width, height))
        return np.zeros((height, width, 3), np.uint8)

    record = step(render=pytest.fail, render_small=small)
    assert record.small_image(2, 1).shape == (1, 2, 3)
    assert sizes == [(2, 1)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_small_image_of_an_image_that_is_there_is_made_of_it(dtype):
    white = np.iinfo(dtype).max
    record = step(render=lambda: np.full((20, 40, 3), white, dtype), render_small=pytest.fail)
    _ = record.image
    np.testing.assert_array_equal(record.small_image(10, 5), np.full((5, 10, 3), 255, np.uint8))


# --- in notebooks -----------------------------------------------------------------------------------------------------


def result(image):
    return Result(image, losses(), 3, 7, None, "builtin#sha256:0", "CPU:0", "float32", "4×2 px whole")


def opened(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_a_step_is_shown_as_a_picture_that_is_encoded_once():
    record = step(alpha=ALPHA)
    png = record._repr_png_()
    np.testing.assert_array_equal(opened(png), record.image_with_alpha)
    assert record._repr_png_() is png


def test_a_result_is_shown_as_a_picture_with_alpha_that_is_encoded_once():
    record = result(step(alpha=ALPHA).image_with_alpha)
    np.testing.assert_array_equal(opened(record._repr_png_()), record.image)
    assert record._repr_png_() is record._repr_png_()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_large_picture_is_shown_small(kind):
    image = np.full((1100, 2200, 3), np.iinfo(kind).max, kind)
    for record in (step(render=image.copy), result(image)):
        shown = opened(record._repr_png_())
        assert shown.shape == (512, 1024, 3)
        assert (shown == 255).all()


def test_what_is_shown_is_not_pickled():
    record = step()
    _ = record._repr_png_()
    sent = pickle.loads(pickle.dumps(record))
    assert "_png" not in vars(sent)
    np.testing.assert_array_equal(opened(sent._repr_png_()), pixels())


def test_a_step_without_its_image_is_shown_as_text():
    assert pickle.loads(pickle.dumps(step()))._repr_png_() is None
