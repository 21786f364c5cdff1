"""Which number is white, in files, PIL images and arrays of floating point or of 32 bits."""

import numpy as np
import pytest
import tifffile
from picture_files import first
from PIL import Image

from neural_style.errors import ImageError
from neural_style.images.reading import read_image

UNIT = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)


def with_values(values, *others):
    made = values.copy()
    made.flat[: len(others)] = others
    return made


FLOATS = {
    "0-1": (UNIT, 1),
    "0-1 and below": (with_values(UNIT, -0.5), 1),
    "one over 1": (with_values(UNIT, 1.0001), 1),
    "one far over 1": (with_values(UNIT, 40.0), 1),
    "one over 255": (with_values(UNIT, 3000.0), 1),
    "twice as bright": (UNIT * 2, 1),
    "highlights": (with_values(UNIT, *[7.0] * 30), 1),
    "half black": (with_values(UNIT, *[0.0] * 200, 1.5), 1),
    "one over 1 of few": (np.array([[0.2, 0.5, 1.2]], np.float32), 1),
    "0-255": (UNIT * 255, 255),
    "0-255 and one over": (with_values(UNIT * 255, 280.0), 255),
    "0-255 and one far over": (with_values(UNIT * 255, 9000.0), 255),
    "0-255, mostly black": (with_values(UNIT * 0, 200.0, 100.0), 255),
    "0-255, dark": (UNIT * 60, 255),
}
UNKNOWN = {
    "0-65535": UNIT * 65535,
    "0-4095": UNIT * 4095,
    "0-1023": UNIT * 1023,
    "a third over 1": with_values(UNIT, *[20.0] * 130),
    "negative": UNIT * 300 - 5000,
}


@pytest.mark.parametrize("source", ["file", "PIL image", "color", "64 bits"])
def test_floating_point(tmp_path, source):
    def read(values):
        if source == "PIL image":
            return read_image(Image.fromarray(values))
        kind = np.float64 if source == "64 bits" else np.float32
        stored = np.stack([values] * 3, axis=-1) if source == "color" else values
        photometric = "rgb" if source == "color" else "minisblack"
        tifffile.imwrite(tmp_path / "a.tif", stored.astype(kind), photometric=photometric, metadata=None)
        return read_image(tmp_path / "a.tif")

    for name, (values, white) in FLOATS.items():
        expected = (values / white * 255).clip(0, 255)
        np.testing.assert_allclose(read(values).rgb[..., 0], expected, atol=0.01, err_msg=name)
    for name, values in UNKNOWN.items():
        if name == "negative":
            assert not read(values).rgb.any()
            continue
        with pytest.raises(ImageError, match="so white is unknown; scale them to 0-1, or save the picture with 16"):
            read(values)


def test_integers_of_32_bits(tmp_path):
    for high, white in (
        (200, 255),
        (255, 255),
        (256, 65535),
        (65535, 65535),
        (2**31, 2**32 - 1),
        (2**32 - 1, 2**32 - 1),
    ):
        tifffile.imwrite(tmp_path / "a.tif", np.array([[high, 0]], np.uint32), photometric="minisblack", metadata=None)
        np.testing.assert_allclose(first(read_image(tmp_path / "a.tif"))[0], high / white * 255, atol=1e-3)
        if high <= 65535:
            image = Image.fromarray(np.array([[high, 0]], np.int32))
            np.testing.assert_allclose(first(read_image(image))[0], high / white * 255, atol=1e-3)
    for high in (65536, 2**31 - 1):
        tifffile.imwrite(tmp_path / "a.tif", np.array([[high, 0]], np.uint32), photometric="minisblack", metadata=None)
        for source in (tmp_path / "a.tif", Image.fromarray(np.array([[high, 0]], np.int32))):
            with pytest.raises(ImageError, match="white is unknown"):
                read_image(source)


def test_dark_gray_of_16_bits_stays_dark(tmp_path):
    dark = np.array([[255, 200, 0]], np.uint16)
    for name in ("a.png", "a.tif", "a.pgm"):
        Image.fromarray(dark).save(tmp_path / name)
        np.testing.assert_allclose(read_image(tmp_path / name).rgb[0, :, 0], dark[0] / 257, atol=1e-4, err_msg=name)


ARRAYS = {
    "H×W": (UNIT, "values"),
    "H×W×1": (UNIT[..., np.newaxis], "values"),
    "H×W×3": (np.stack([UNIT] * 3, axis=-1), "values"),
    "float64": (np.stack([UNIT] * 3, axis=-1).astype(np.float64), "values"),
    "float16": (UNIT.astype(np.float16), "values"),
    "ones": (np.ones((4, 4, 3)), "values"),
    "overshoot": (with_values(UNIT, 1.02), "values"),
    "opaque": (np.stack([UNIT] * 3 + [UNIT * 0 + 255], axis=-1), "colors"),
    "alpha 0-1": (np.stack([UNIT * 255] * 3 + [UNIT * 0 + 1], axis=-1), "alpha"),
    "all 0-1": (np.stack([UNIT] * 3 + [UNIT * 0 + 1], axis=-1), "colors and alpha"),
    "gray and alpha": (np.stack([UNIT, UNIT * 0 + 1], axis=-1), "colors and alpha"),
}


def test_arrays_of_0_to_1_are_warned_of(caplog):
    for name, (array, parts) in ARRAYS.items():
        caplog.clear()
        read_image(array, "style picture")
        (record,) = caplog.records
        message = record.getMessage()
        assert message.startswith(f"style picture (an array): its {parts} hardly exceed 1, but 0-255 is expected"), name
        assert message.endswith("; multiply by 255")
        assert ("transparent" in message) == (parts == "alpha")


def test_other_arrays_are_not_warned_of(caplog):
    quiet = [UNIT * 255, np.stack([UNIT * 255] * 4, axis=-1), np.zeros((4, 4)), np.ones((4, 4), bool)]
    quiet += [np.ones((4, 4), np.uint8), np.full((4, 4, 3), 3.0), UNIT * 60]
    for array in quiet:
        read_image(array)
    assert not caplog.records
