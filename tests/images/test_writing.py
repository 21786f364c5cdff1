import io
import json
import os
import struct

import numpy as np
import pytest
from picture_files import RED, SETTINGS, SMOOTH, first, flat, saved
from PIL import Image, ImageCms, TiffImagePlugin

from neural_style import __version__
from neural_style.errors import ImageError, OutputError
from neural_style.images import color_profiles
from neural_style.images.reading import read_image, read_settings
from neural_style.images.writing import OUTPUT_FORMATS, check_format, write_image, write_png

EMBEDDING = [extension for extension in OUTPUT_FORMATS if extension != ".bmp"]


@pytest.mark.parametrize("extension", [*OUTPUT_FORMATS, ".PNG"])
def test_writing_and_reading_back(tmp_path, extension):
    path = tmp_path / "new" / f"out{extension}"
    assert write_image(path, SMOOTH, settings=SETTINGS, overwrite=False) == path
    lossy = extension in (".jpg", ".jpeg", ".webp")
    np.testing.assert_allclose(read_image(path).rgb, SMOOTH, atol=8 if lossy else 0 if extension == ".bmp" else 1)
    assert os.listdir(path.parent) == [path.name]
    with Image.open(path) as image:
        assert image.format == OUTPUT_FORMATS[extension.lower()].name
        assert ("icc_profile" in image.info) == (extension != ".bmp")
        if extension == ".jpg":
            assert {component[1:3] for component in image.layer} == {(1, 1)}  # no subsampling
        if extension == ".tif":
            assert image.tag_v2[TiffImagePlugin.COMPRESSION] == 8  # deflate


@pytest.mark.parametrize("extension", EMBEDDING)
def test_settings_are_embedded(tmp_path, extension):
    path = write_image(tmp_path / f"out{extension}", SMOOTH, settings=SETTINGS, overwrite=False)
    assert read_settings(path) == SETTINGS
    with Image.open(path) as image:
        software = image.info.get("Software") or image.getexif()[0x0131]
        text = image.info.get("neural_style") or image.getexif()[0x010E]
    assert software == f"neural-style {__version__}"
    assert text == json.dumps(SETTINGS)
    assert text.isascii()


def test_settings_of_other_programs_are_not_ours(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = '{"steps": 1}'
    assert read_settings(saved(tmp_path / "a.jpg", flat("RGB", RED), exif=exif)) is None
    assert read_settings(saved(tmp_path / "a.png", flat("RGB", RED))) is None
    assert read_settings(write_image(tmp_path / "a.bmp", SMOOTH, settings=SETTINGS, overwrite=False)) is None
    with pytest.raises(ImageError, match=r"'x\.png' does not exist"):
        read_settings(tmp_path / "x.png")


@pytest.mark.parametrize("extension", OUTPUT_FORMATS)
def test_alpha_is_kept_or_replaced_by_white(tmp_path, caplog, extension):
    array = np.full((16, 16, 4), (200, 100, 50, 51), np.uint8)
    picture = read_image(write_image(tmp_path / f"out{extension}", array, settings={}, overwrite=False))
    if OUTPUT_FORMATS[extension].keeps_alpha:
        np.testing.assert_allclose(first(picture), (200, 100, 50), atol=4)
        np.testing.assert_allclose(picture.alpha, 0.2, atol=1e-6)
        assert not caplog.records
    else:
        np.testing.assert_allclose(first(picture), (244, 224, 214), atol=2)  # 0.2 · color + 0.8 · 255
        assert picture.alpha is None
        (record,) = caplog.records
        assert "gets a white background; use PNG, WebP or TIFF" in record.getMessage()


@pytest.mark.parametrize("extension", OUTPUT_FORMATS)
def test_written_files_are_reproducible(tmp_path, monkeypatch, extension):
    class LaterProfile(ImageCms.ImageCmsProfile):
        def tobytes(self):
            profile = super().tobytes()
            return profile[:24] + struct.pack(">6H", 2040, 2, 3, 4, 5, 6) + profile[36:]

    paths = [tmp_path / f"{name}{extension}" for name in ("now", "later")]
    color_profiles.srgb_profile.cache_clear()
    write_image(paths[0], SMOOTH, settings=SETTINGS, overwrite=False)
    monkeypatch.setattr(ImageCms, "ImageCmsProfile", LaterProfile)
    color_profiles.srgb_profile.cache_clear()
    write_image(paths[1], SMOOTH, settings=SETTINGS, overwrite=False)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_embedded_profile_is_srgb(tmp_path):
    with Image.open(write_image(tmp_path / "a.png", SMOOTH, settings={}, overwrite=False)) as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    assert "sRGB" in profile.profile.profile_description


def test_existing_files_are_numbered_or_replaced(tmp_path):
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    assert write_image(path, SMOOTH, settings={}, overwrite=False) == tmp_path / "out-2.png"
    assert write_image(path, SMOOTH, settings={}, overwrite=False) == tmp_path / "out-3.png"
    assert path.read_bytes() == b"old"
    assert write_image(path, SMOOTH, settings={}, overwrite=True) == path
    assert first(read_image(path)) == SMOOTH[0, 0].tolist()
    assert sorted(os.listdir(tmp_path)) == ["out-2.png", "out-3.png", "out.png"]


@pytest.mark.parametrize(
    ("name", "size"), [("out.JPG", (65500, 1)), ("out.webp", (16383, 16383)), ("out.png", (10**5, 10**5))]
)
def test_check_format_passes_what_fits(name, size):
    assert check_format(name, "output", size).greatest_side >= max(size)


@pytest.mark.parametrize("name", ["out", "out.gif", "out.txt", ".png"])
def test_check_format_wants_a_known_extension(name):
    with pytest.raises(OutputError, match=r"output: .*\.png, \.jpg, \.jpeg, \.webp, \.tif, \.tiff, \.bmp"):
        check_format(name, "output", (10, 10))


@pytest.mark.parametrize(("name", "size"), [("a.jpg", (65501, 10)), ("a.webp", (10, 16384))])
def test_check_format_knows_how_big_a_format_can_be(tmp_path, name, size):
    with pytest.raises(OutputError, match=f"{size[0]}×{size[1]}"):
        check_format(tmp_path / name, "output", size)
    with pytest.raises(OutputError, match=f"{size[0]}×{size[1]}"):
        write_image(tmp_path / name, np.zeros((size[1], size[0], 3), np.uint8), settings={}, overwrite=False)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("kind", "channels"), [(np.uint8, 3), (np.uint8, 4), (np.uint16, 3), (np.uint16, 4)])
def test_a_stream_gets_the_bytes_of_the_file(tmp_path, kind, channels):
    class Pipe(io.RawIOBase):
        """Neither tells its place nor moves."""

        def writable(self):
            return True

        def write(self, data):
            written.extend(data)
            return len(data)

    written = bytearray()
    image = np.random.default_rng(0).integers(0, np.iinfo(kind).max, (20, 30, channels), kind)
    with io.BufferedWriter(Pipe()) as stream:
        write_png(stream, image, settings=SETTINGS)
    path = write_image(tmp_path / "a.png", image, settings=SETTINGS, overwrite=False)
    assert bytes(written) == path.read_bytes()
