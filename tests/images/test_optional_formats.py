"""HEIC, AVIF and JPEG XL, and what is said where a package is missing."""

import io
import subprocess
import sys

import imagecodecs
import numpy as np
import pytest
from picture_files import ADOBE_RGB, ORIENTATION, SMOOTH, can_pack_samples, first, message_of, noise
from PIL import Image, features

from neural_style.errors import ImageError
from neural_style.images import optional_formats
from neural_style.images.reading import read_image, read_settings

BLOCKS = np.kron(SMOOTH[::4, ::5], np.ones((16, 16, 1))).astype(np.uint8)


def heic(path, image, **options):
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(image).save(path, quality=95, **options)
    return path


def jxl(path, image, **options):
    pytest.importorskip("pillow_jxl")
    image.save(path, "JXL", **options)
    return path


def avif(path, image, **options):
    if not features.check("avif"):
        pytest.skip("Pillow was built without AVIF")
    image.save(path, "AVIF", quality=95, **options)
    return path


@pytest.mark.parametrize("write", [heic, avif, jxl])
def test_pictures_are_read(tmp_path, write):
    path = write(tmp_path / "a.bin", Image.fromarray(BLOCKS))
    np.testing.assert_allclose(read_image(path).rgb, BLOCKS, atol=16)
    assert read_image(path).alpha is None
    transparent = np.concatenate([BLOCKS, np.full((*BLOCKS.shape[:2], 1), 51, np.uint8)], axis=-1)
    path = write(tmp_path / "b.bin", Image.fromarray(transparent))
    np.testing.assert_allclose(read_image(path).alpha, 0.2, atol=0.02)
    if write is jxl:
        return  # whose plugin does not write profiles
    image = Image.fromarray(np.full((64, 64, 3), (160, 120, 90), np.uint8))
    image.info["icc_profile"] = ADOBE_RGB
    path = write(tmp_path / "c.bin", image, icc_profile=ADOBE_RGB)
    np.testing.assert_allclose(first(read_image(path)), first(read_image(image)), atol=4)


@pytest.mark.parametrize("write", [heic, avif])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_orientation(tmp_path, write, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = write(tmp_path / "a.bin", Image.fromarray(BLOCKS), exif=exif.tobytes())
    turned = {1: BLOCKS, 3: BLOCKS[::-1, ::-1], 6: np.rot90(BLOCKS, -1), 8: np.rot90(BLOCKS)}
    np.testing.assert_allclose(read_image(path).rgb, turned[orientation], atol=12)


@pytest.mark.parametrize("write", [heic, avif, jxl])
def test_too_many_pixels_are_refused(tmp_path, write):
    path = write(tmp_path / "a.bin", Image.fromarray(BLOCKS))
    height, width = BLOCKS.shape[:2]
    with pytest.raises(ImageError, match=f"expected at most 1000 pixels, got {width}×{height}"):
        read_image(path, max_pixels=1000)


@pytest.mark.parametrize("write", [heic, avif, jxl])
def test_damaged_files(tmp_path, write):
    whole = write(tmp_path / "a.bin", Image.fromarray(noise(64, 64).astype(np.uint8))).read_bytes()
    for length in (20, len(whole) // 2, len(whole) - 40):
        (tmp_path / "a.bin").write_bytes(whole[:length])
        message = message_of(tmp_path / "a.bin")
        assert "damaged or truncated" in message or "not a picture of a known kind" in message


def test_reading_heic_leaves_pillow_as_it_was(tmp_path):
    path = heic(tmp_path / "a.heic", Image.fromarray(BLOCKS))
    before = set(Image.OPEN)
    read_image(path)
    assert "HEIF" in before or "HEIF" not in Image.OPEN


def test_jpeg_xl_of_16_bits_and_of_gray(tmp_path):
    pytest.importorskip("pillow_jxl")
    for channels in (1, 3):
        deep = np.full((16, 16, channels), 65535, np.uint16)
        deep[:8] = 0
        (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(deep.squeeze(), lossless=True))
        np.testing.assert_allclose(read_image(tmp_path / "a.jxl").rgb[::8, 0, 0], [0, 255], atol=1)


@pytest.mark.parametrize("size", [(8, 8), (256, 256), (64, 32), (300, 200), (1, 1), (1000, 17), (256, 128), (160, 120)])
def test_size_of_a_jpeg_xl_file_is_known_before_it_is_decoded(tmp_path, size):
    pytest.importorskip("pillow_jxl")
    image = Image.new("RGB", size)
    for options in ({}, {"use_container": True}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}):
        with open(jxl(tmp_path / "a.jxl", image, **options), "rb") as stream:
            assert optional_formats.jxl_size(stream) == size
    box = (8 + 2000).to_bytes(4, "big") + b"Exif" + b"\xff\x0a" * 1000
    data = (tmp_path / "a.jxl").read_bytes()
    assert optional_formats.jxl_size(io.BytesIO(data[:32] + box + data[32:])) == size
    data = imagecodecs.jpegxl_encode(np.zeros((size[1], size[0], 3), np.uint8), lossless=True)
    assert optional_formats.jxl_size(io.BytesIO(data)) == size


def test_exif_orientation_of_a_jpeg_xl_file_is_that_of_a_picture_turned_already(tmp_path):
    """ISO/IEC 18181-2: the orientation of the codestream holds, not that of EXIF; a JPEG file inside has its own."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    path = jxl(tmp_path / "a.jxl", Image.fromarray(BLOCKS), lossless=True, exif=exif.tobytes())
    np.testing.assert_allclose(read_image(path).rgb, BLOCKS, atol=1)


# --- what is missing --------------------------------------------------------------------------------------------------


def without(package, script):
    """What a process prints in which a package cannot be imported."""
    code = f"import sys\nsys.modules[{package!r}] = None\nfrom neural_style.images.reading import read_image\n{script}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


READ = """
from neural_style.errors import ImageError
for path in PATHS:
    try:
        picture = read_image(path)
        print(path, picture.rgb[0, 0].round(2).tolist())
    except ImageError as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("package", "head", "answer"),
    [
        ("pillow_heif", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture, {0} pillow-heif"),
        ("pillow_heif", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC picture, {0} pillow-heif"),
        ("pillow_jxl", b"\xff\x0a\0\0\0\0\0\0", "a JPEG XL picture, {0} pillow-jxl-plugin"),
        ("pillow_jxl", b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14", "a JPEG XL picture, {0} pillow-jxl-plugin"),
    ],
)
def test_a_missing_package_is_answered_with_the_command(tmp_path, monkeypatch, package, head, answer):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "a.jpg").write_bytes(head + bytes(200))
    expected = answer.format("which needs another package: pip install")
    assert message_of(tmp_path / "a.jpg") == f"content picture 'a.jpg' is {expected}"


def test_avif_that_pillow_cannot_read_is_answered_with_the_command(tmp_path, monkeypatch):
    path = avif(tmp_path / "a.avif", Image.fromarray(BLOCKS))
    Image.init()
    monkeypatch.delitem(Image.OPEN, "AVIF")
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "AVIF"])
    assert message_of(path).endswith("is an AVIF picture, which needs another package: pip install 'pillow>=11.3'")


@pytest.mark.skipif(not can_pack_samples(), reason="this imagecodecs cannot write the file of 10 bits")
def test_without_imagecodecs(tmp_path):
    """What needs it is answered with the command; all else is read, and TIFF is written."""
    import tifffile

    from neural_style.images.writing import write_image

    deep = np.full((16, 16, 3), (65535, 32896, 257), np.uint16)
    write_image(tmp_path / "a.png", deep, settings={"a": 1}, overwrite=True)
    write_image(tmp_path / "b.tif", deep, settings={"a": 1}, overwrite=True)
    tifffile.imwrite(tmp_path / "c.tif", deep, photometric="rgb")
    tifffile.imwrite(tmp_path / "d.tif", deep, photometric="rgb", iccprofile=ADOBE_RGB)
    Image.fromarray(deep[..., 0]).save(tmp_path / "e.tif", compression="tiff_lzw")
    tifffile.imwrite(tmp_path / "f.tif", deep >> 6, photometric="rgb", bitspersample=10)
    tifffile.imwrite(tmp_path / "g.tif", deep, photometric="rgb", compression="lzw")
    tifffile.imwrite(tmp_path / "h.tif", deep, photometric="rgb", compression="zstd")
    (tmp_path / "i.jp2").write_bytes(imagecodecs.jpeg2k_encode(deep, level=0, codecformat="jp2", reversible=True))
    paths = sorted(map(str, tmp_path.iterdir()))
    lines = without("imagecodecs", f"PATHS = {paths!r}\n{READ}").splitlines()
    for line in lines[:5]:
        assert "[25" in line, line  # nearly white
    for index in (5, 6, 8):
        assert lines[index].endswith("which needs another package: pip install imagecodecs")
    assert "pip install imagecodecs" in lines[7] or "[255.0, 128.0, 1.0]" in lines[7]  # newer Pythons have Zstandard
    script = f"""
import numpy as np
from neural_style.images.writing import write_image
for pixels in (np.zeros((9, 9, 3), np.uint16), np.zeros((9, 9, 4), np.uint8)):
    print(write_image({str(tmp_path / "out.tif")!r}, pixels, settings={{"a": 2}}, overwrite=True))
"""
    assert without("imagecodecs", script).count("out.tif") == 2
    assert read_settings(tmp_path / "out.tif") == {"a": 2}


def test_profile_of_16_bits_without_imagecodecs_is_applied_in_8_with_a_warning(tmp_path, caplog, monkeypatch):
    import tifffile

    deep = np.full((4, 5, 3), (160, 120, 90), np.uint16) * np.uint16(257)
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb", iccprofile=ADOBE_RGB)
    expected = read_image(tmp_path / "a.tif").rgb
    assert not caplog.records
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    np.testing.assert_allclose(read_image(tmp_path / "a.tif").rgb, expected, atol=1)
    (record,) = caplog.records
    assert record.getMessage().endswith("in 8 bits; for 16 bits: pip install imagecodecs")
