"""Pillow's limit of pixels is left alone, and threads read at the same time."""

import contextlib
import threading
import types
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from picture_files import first, flat, saved
from PIL import Image, ImageFile

from neural_style.images import pillow_files
from neural_style.images.reading import read_image, read_settings
from neural_style.images.row_bands import rows_of

ORDINARY = ["a.png", "a.jpg", "a.tif", "a.gif", "a.bmp", "a.ppm", "a.jp2", "a.avif"]


@pytest.fixture
def assignments(monkeypatch):
    """What has been assigned to `Image.MAX_IMAGE_PIXELS` since."""
    values = []

    class Watched(types.ModuleType):
        def __setattr__(self, name, value):
            if name == "MAX_IMAGE_PIXELS":
                values.append(value)
            super().__setattr__(name, value)

    monkeypatch.setattr(Image, "__class__", Watched)
    yield values
    Image.__class__ = types.ModuleType


def test_the_limit_is_never_touched_for_ordinary_pictures(tmp_path, assignments):
    for name in [*ORDINARY, "a.webp"]:
        read_image(saved(tmp_path / name, flat("RGB", (90, 60, 30))))
    for name in ("a.png", "a.tif"):
        read_settings(tmp_path / name)
    tifffile.imwrite(tmp_path / "deep.tif", np.full((4, 4, 3), 257, np.uint16), photometric="rgb")
    read_image(tmp_path / "deep.tif")
    read_image(flat("RGB", (90, 60, 30)))
    assert assignments == []


def test_pictures_beyond_the_limit_are_read_without_touching_it_and_without_a_warning(tmp_path, assignments):
    """As if it were Pillow's own: a limit of 100 stands for 89 million, 20×21 pixels for 375 million."""
    Image.MAX_IMAGE_PIXELS, before = 100, Image.MAX_IMAGE_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for size in ((9, 12), (20, 21)):
                for name in ORDINARY:
                    path = saved(tmp_path / name, flat("RGB", (90, 60, 30), size))
                    picture = read_image(path)
                    assert (picture.width, picture.height) == size, name
                    np.testing.assert_allclose(first(picture), (90, 60, 30), atol=6, err_msg=name)
    finally:
        Image.MAX_IMAGE_PIXELS = before
    assert assignments == [100, before]


def test_a_format_that_checks_the_limit_itself_is_read_with_the_limit_lifted_for_a_moment(tmp_path, assignments):
    path = saved(tmp_path / "a.webp", flat("RGB", (90, 60, 30), (40, 40)))
    Image.MAX_IMAGE_PIXELS, before = 100, Image.MAX_IMAGE_PIXELS
    try:
        assert read_image(path).width == 40
        assert Image.MAX_IMAGE_PIXELS == 100
    finally:
        Image.MAX_IMAGE_PIXELS = before
    assert assignments in ([100, None, 100, before], [100, before])


def test_the_limit_comes_back_after_an_error():
    def fail():
        if Image.MAX_IMAGE_PIXELS is not None:
            raise Image.DecompressionBombError
        raise OSError("damaged")

    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(OSError, match="damaged"):
        pillow_files.without_limit(fail)
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "16.png", "16.tif"])
def test_two_threads_decode_at_the_same_time(tmp_path, monkeypatch, name):
    """Each waits, while it decodes, for the other to get there."""
    path = tmp_path / name
    if name == "16.tif":
        tifffile.imwrite(path, np.full((4, 4, 3), 257 * 90, np.uint16), photometric="rgb")
    elif name == "16.png":
        from neural_style.images.writing import write_image

        write_image(path, np.full((4, 4, 3), 257 * 90, np.uint16), settings={}, overwrite=True)
    else:
        saved(path, flat("RGB", (90, 90, 90)))
    barrier = threading.Barrier(2)
    module, method = (tifffile.TiffPage, "asarray") if name == "16.tif" else (ImageFile.ImageFile, "load")
    decode = getattr(module, method)

    def decode_together(self, *arguments, **options):
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(20)
        assert not barrier.broken
        return decode(self, *arguments, **options)

    monkeypatch.setattr(module, method, decode_together)
    with ThreadPoolExecutor(2) as pool:
        for picture in pool.map(read_image, [path, path]):
            np.testing.assert_allclose(picture.rgb, 90, atol=2)


def test_many_threads_read_many_kinds(tmp_path):
    expected = {}
    for index, name in enumerate(ORDINARY * 2):
        path = saved(tmp_path / f"{index}{name[1:]}", flat("RGB", (index * 9, 60, 30), (16, 16)))
        expected[path] = read_image(path).rgb
    with ThreadPoolExecutor(8) as pool:
        for path, picture in zip(list(expected) * 5, pool.map(read_image, list(expected) * 5), strict=True):
            np.testing.assert_array_equal(picture.rgb, expected[path])


def test_the_user_may_raise_warnings_as_errors(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in [*ORDINARY, "a.webp"]:
            assert read_image(saved(tmp_path / name, flat("RGB", (9, 9, 9)))).width == 16


def test_a_photograph_in_several_parts_is_read_to_its_first(tmp_path):
    red, blue = flat("RGB", (255, 0, 0), (32, 32)), flat("RGB", (0, 0, 255), (64, 64))
    red.save(tmp_path / "a.mpo", save_all=True, append_images=[blue])
    np.testing.assert_allclose(first(read_image(tmp_path / "a.mpo")), (254, 0, 0), atol=2)


def test_rows_of_an_image_are_those_that_crop_gives(monkeypatch):
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (40, 30, 3), np.uint8))
    widths = {"La": 2, "PA": 2, "LAB": 3, "RGBa": 4, "RGBX": 4, "I;16": 2, "I;16B": 2}
    images = [picture.convert(mode) for mode in ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F"]]
    images += [Image.frombytes(mode, (30, 40), rng.bytes(1200 * width)) for mode, width in widths.items()]
    expected = [image.crop((0, 7, 30, 19)) for image in images]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    for image, crop in zip(images, expected, strict=True):
        rows = rows_of(image, slice(7, 19))
        assert (rows.mode, rows.tobytes(), rows.info) == (crop.mode, crop.tobytes(), crop.info)
