import dataclasses

import numpy as np
import pytest

from neural_style.runs.step import Step


def losses(total=6.0):
    return {"content": 1.0, "style": 2.0, "tv": 3.0, "total": total}


def pixels():
    return np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def step(**changes):
    fields = {"iteration": 3, "losses": losses(), "scale": (4, 2), "best": True, "alpha": None, "render": pixels}
    return Step(**fields | changes)


@pytest.mark.parametrize("name", ["iteration", "losses", "scale", "best", "alpha", "render", "image"])
def test_fields_cannot_be_set(name):
    record = step()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, name, None)


def test_losses_cannot_be_changed_from_in_or_outside():
    given = losses()
    record = step(losses=given)
    given["total"] = -1
    assert record.losses["total"] == 6
    with pytest.raises(TypeError):
        record.losses["total"] = 0
    with pytest.raises(TypeError):
        del record.losses["total"]
    assert dict(record.losses) == losses()


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
    alpha = np.array([[0, 1, 0.5, 1], [1, 1, 0.2, 0]], np.float32)
    image = step(alpha=alpha).image_with_alpha
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image[..., :3], pixels())
    np.testing.assert_array_equal(image[..., 3], [[0, 255, 128, 255], [255, 255, 51, 0]])
    np.testing.assert_array_equal(step().image_with_alpha, pixels())  # opaque: three channels


def test_alpha_is_put_back_in_16_bits():
    alpha = np.array([[0, 1, 0.5, 1], [1, 1, 0.2, 0]], np.float32)
    deep = pixels().astype(np.uint16) * 1000
    image = step(alpha=alpha, render=deep.copy).image_with_alpha
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image[..., :3], deep)
    np.testing.assert_array_equal(image[..., 3], [[0, 65535, 32768, 65535], [65535, 65535, 13107, 0]])


def test_repr_is_short():
    assert len(repr(step(alpha=np.zeros((500, 500))))) < 200
