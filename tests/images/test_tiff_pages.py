"""TIFF files: the largest page, every kind of samples, and camera raws."""

import io
import logging
import struct

import numpy as np
import PIL
import pytest
import tifffile
from picture_files import ADOBE_RGB, ORIENTATION, can_pack_samples, first, message_of, noise
from PIL import Image, ImageCms

from neural_style.errors import ImageError
from neural_style.images.reading import read_image

SMALL = np.full((12, 16, 3), 9, np.uint8)
REDUCED = {"subfiletype": 1}


def ramp(kind, white, channels=3):
    """Columns from black to white, (4, 5, channels), and what they are as 0-255."""
    levels = np.linspace(0, 1, 5)[np.newaxis, :, np.newaxis] * np.ones((4, 1, channels))
    stored = (levels * white).astype(kind) if np.dtype(kind).kind == "f" else np.rint(levels * white).astype(kind)
    return stored, levels[..., :3] * 255


def picture_of(height=48, width=64, kind=np.uint8):
    return np.random.default_rng(1).integers(0, np.iinfo(kind).max + 1, (height, width, 3)).astype(kind)


def same(picture, pixels):
    return np.array_equal(picture.rgb, pixels / np.float32(np.iinfo(pixels.dtype).max / 255))


# --- pages ------------------------------------------------------------------------------------------------------------


def write_pages(path, *pages, subifds=(), **options):
    """Pages one after the other, and pages within the first."""
    with tifffile.TiffWriter(path, **options) as file:
        for index, (pixels, settings) in enumerate(pages):
            within = {"subifds": len(subifds)} if subifds and not index else {}
            file.write(pixels, photometric="rgb", metadata=None, **within, **settings)
            for inner, inner_settings in subifds if not index else ():
                file.write(inner, photometric="rgb", metadata=None, **inner_settings)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_the_largest_page_is_read_wherever_it_is(tmp_path, caplog, big, order, kind):
    caplog.set_level(logging.INFO)
    large, path = picture_of(kind=kind), tmp_path / "a.tif"
    small = (SMALL, REDUCED)
    options = {"bigtiff": big, "byteorder": order}
    for settings in ({}, {"compression": "lzw"}, {"compression": "deflate", "predictor": True}, {"tile": (16, 16)}):
        layouts = {
            "second": ([small, (large, settings)], []),
            "unmarked thumbnail": ([(SMALL, {}), (large, settings)], []),
            "third": ([small, (picture_of(24, 32), {}), (large, settings)], []),
            "within": ([small], [(large, settings)]),
            "second within": ([small], [(picture_of(24, 32), {}), (large, settings)]),
            "first": ([(large, settings), small], []),
            "pyramid": ([(large, settings)], [(picture_of(24, 32), REDUCED), small]),
        }
        for name, (pages, within) in layouts.items():
            write_pages(path, *pages, subifds=within, **options)
            caplog.clear()
            assert same(read_image(path), large), (name, settings)
            spoken = "largest of its" in caplog.text
            assert spoken == (name not in ("first", "pyramid")), name


def test_of_equal_pages_the_first_is_read_and_masks_are_not(tmp_path):
    one, two = picture_of(), picture_of()[::-1].copy()
    write_pages(tmp_path / "a.tif", (one, {}), (two, {}))
    assert same(read_image(tmp_path / "a.tif"), one)
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(SMALL, photometric="rgb", metadata=None, **REDUCED)
        file.write(one, photometric="rgb", metadata=None)
        file.write(np.ones((60, 80), bool), metadata=None, subfiletype=4)
    assert same(read_image(tmp_path / "b.tif"), one)


def test_the_limit_of_pixels_is_for_the_largest_page(tmp_path):
    for kind in (np.uint8, np.uint16):
        write_pages(tmp_path / "a.tif", (SMALL, REDUCED), (picture_of(kind=kind), {}))
        with pytest.raises(ImageError, match="expected at most 1000 pixels, got 64×48"):
            read_image(tmp_path / "a.tif", max_pixels=1000)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_orientation_and_profile_are_those_of_the_page_or_of_the_one_around_it(tmp_path, kind):
    path, levels = tmp_path / "a.tif", np.array([160, 120, 90]) * (257 if kind is np.uint16 else 1)
    large = np.full((48, 64, 3), levels).astype(kind)
    large[:24] //= 2
    turned = {"extratags": [(ORIENTATION, "H", 1, 3, True)]}
    write_pages(path, (large, {**turned, "iccprofile": ADOBE_RGB}))
    expected = read_image(path).rgb
    assert first(read_image(path))[0] > 165
    write_pages(path, (SMALL, {**REDUCED, **turned, "iccprofile": ADOBE_RGB}), subifds=[(large, {})])
    np.testing.assert_array_equal(read_image(path).rgb, expected)
    write_pages(path, (SMALL, REDUCED), (large, {**turned, "iccprofile": ADOBE_RGB}))
    np.testing.assert_array_equal(read_image(path).rgb, expected)
    write_pages(path, (SMALL, {**REDUCED, **turned, "iccprofile": ADOBE_RGB}), (large, {}))
    assert same(read_image(path), large)  # a page beside it has nothing to do with it
    write_pages(
        path, (SMALL, {**REDUCED, **turned}), subifds=[(large, {"extratags": [(ORIENTATION, "H", 1, 1, True)]})]
    )
    assert same(read_image(path), large)


def test_pages_that_contain_themselves(tmp_path):
    write_pages(tmp_path / "a.tif", (SMALL, {}), subifds=[(picture_of(), {})])
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        offset, tag = file.pages[0].offset, file.pages[0].tags[330]
        data[tag.valueoffset : tag.valueoffset + 4] = struct.pack("<I", offset)
    (tmp_path / "a.tif").write_bytes(data)
    assert same(read_image(tmp_path / "a.tif"), SMALL)


# --- kinds of samples -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb"])
def test_every_number_of_bits(tmp_path, photometric):
    channels = 3 if photometric == "rgb" else 1
    for bits in (1, 2, 4, 6, 8, 10, 12, 14, 16, 32, 64):
        kind = np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else f"u{bits // 8}"
        if photometric == "rgb" and bits == 1:
            continue  # tifffile does not read what it writes
        if bits in (2, 4, 6, 10, 12, 14) and not can_pack_samples():
            continue
        stored = np.linspace(0, 1, 5) * (2**64 - 2**11) if bits == 64 else np.rint(np.linspace(0, 1, 5) * (2**bits - 1))
        stored = (stored[np.newaxis, :, np.newaxis] * np.ones((4, 1, channels))).astype(kind)
        if channels == 1:
            stored = stored[..., 0]
        packed = {"bitspersample": bits} if bits not in (8, 16, 32, 64) else {}
        stored = stored.astype(bool) if bits == 1 else stored
        try:
            tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric, metadata=None, **packed)
        except ValueError:
            assert bits == 64  # of which tifffile writes some only
            continue
        picture = read_image(tmp_path / "a.tif")
        levels = stored.astype(np.float64).reshape(4, 5, channels) / float(2**bits - 1) * 255
        levels = 255 - levels if photometric == "miniswhite" else levels
        np.testing.assert_allclose(picture.rgb, np.broadcast_to(levels, (4, 5, 3)), atol=0.01, err_msg=f"{bits} bits")
        assert picture.alpha is None


@pytest.mark.parametrize("layout", [{}, {"planarconfig": "separate"}, {"tile": (16, 16)}, {"compression": "lzw"}])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "u4"])
def test_color_of_floating_point_and_of_32_bits(tmp_path, kind, layout):
    for channels in (3, 4):
        white = 1 if kind[0] == "f" else 2**32 - 1
        stored, expected = ramp(kind, white, channels)
        stored[..., 3:] = white if kind[0] == "f" else np.uint32(white)
        stored[0, ..., 3:] = stored[0, ..., 3:] / 5
        stored = np.moveaxis(stored, 2, 0) if "planarconfig" in layout else stored
        alpha = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
        try:
            tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", metadata=None, **alpha, **layout)
        except (ValueError, TypeError):
            continue
        picture = read_image(tmp_path / "a.tif")
        np.testing.assert_allclose(picture.rgb, expected, atol=0.2)
        if channels == 4:
            np.testing.assert_allclose(picture.alpha[:2, 0], [0.2, 1], atol=1e-3)


def test_profile_of_floating_point_is_applied(tmp_path):
    pixels = np.full((4, 5, 3), (160, 120, 90), np.uint8)
    image = Image.fromarray(pixels)
    image.info["icc_profile"] = ADOBE_RGB
    stored = (pixels / 255).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", iccprofile=ADOBE_RGB)
    np.testing.assert_allclose(read_image(tmp_path / "a.tif").rgb, read_image(image).rgb, atol=0.7)


@pytest.mark.parametrize(
    ("lab", "rgb"),
    [
        ((100, 0, 0), (255, 255, 255)),
        ((0, 0, 0), (0, 0, 0)),
        ((54.29, 80.81, 69.89), (255, 0, 0)),
        ((87.82, -79.27, 80.99), (0, 255, 0)),
        ((29.57, 68.30, -112.03), (0, 0, 255)),
        ((53.585, 0, 0), (128, 128, 128)),
    ],
)
def test_lab_of_8_and_16_bits(tmp_path, lab, rgb):
    """Colors of sRGB in CIE L*a*b* under D50, after Lindbloom."""
    lightness, a, b = lab
    kinds = {
        "cielab16": ("cielab", np.array([lightness * 655.35, a * 256 % 65536, b * 256 % 65536]), np.uint16, 1),
        "icclab16": ("icclab", np.array([lightness * 652.8, a * 256 + 32768, b * 256 + 32768]), np.uint16, 1),
        "icclab8": ("icclab", np.array([lightness * 2.55, a + 128, b + 128]), np.uint8, 10),
        "cielab8": ("cielab", np.array([lightness * 2.55, a % 256, b % 256]), np.uint8, 25),
    }
    for name, (photometric, numbers, kind, tolerance) in kinds.items():
        stored = np.full((4, 5, 3), np.rint(numbers).astype(np.int64) % (np.iinfo(kind).max + 1)).astype(kind)
        tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric, metadata=None)
        np.testing.assert_allclose(first(read_image(tmp_path / "a.tif")), rgb, atol=tolerance, err_msg=name)


def test_lab_of_16_bits_is_that_of_little_cms(tmp_path):
    rgb = Image.fromarray(noise(20, 30).astype(np.uint8) // 2 + 60)
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    stored = np.asarray(ImageCms.buildTransform(srgb, lab, "RGB", "LAB").apply(rgb)).astype(np.int64)
    signed = (stored[..., 1:] + 128) % 256 - 128
    deep = np.concatenate([stored[..., :1] * 257, signed * 256 % 65536], axis=-1).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="cielab", metadata=None)
    np.testing.assert_allclose(read_image(tmp_path / "a.tif").rgb, np.asarray(rgb), atol=5)


def test_palettes_of_0_to_255_and_of_0_to_65535(tmp_path):
    colors = np.random.default_rng(0).integers(0, 256, (3, 256)).astype(np.uint16)
    index = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for factor in (1, 256, 257):
        tifffile.imwrite(tmp_path / "a.tif", index, photometric="palette", colormap=colors * np.uint16(factor))
        for source in (tmp_path / "a.tif", Image.open(tmp_path / "a.tif")):
            np.testing.assert_array_equal(read_image(source).rgb.reshape(256, 3), colors.T)
    four = colors[:, :16]
    packed = {"photometric": "palette", "bitspersample": 4}
    try:
        tifffile.imwrite(tmp_path / "a.tif", index[:1] % 16, colormap=four, **packed)
    except ValueError:
        return
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").rgb[0], four.T)


def test_a_palette_image_that_is_passed_stays_as_it_is(tmp_path):
    colors = np.arange(768, dtype=np.uint16).reshape(3, 256) // 3
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.uint8), photometric="palette", colormap=colors)
    with Image.open(tmp_path / "a.tif") as image:
        image.load()
        before = image.getpalette()
        read_image(image)
        assert image.getpalette() == before


@pytest.mark.parametrize("compression", ["webp", "jpegxl", "zstd", "jpeg2000", "jpeg", "lzma", "packbits"])
def test_compressions(tmp_path, capfd, compression):
    """Those that Pillow has not are decoded all the same, and libtiff prints nothing."""
    for kind in (np.uint8, np.uint16):
        stored = np.full((32, 32, 3), 200 if kind is np.uint8 else 51400, kind)
        if compression == "zstd" and int(PIL.__version__.split(".")[0]) < 12:
            continue  # Pillow was built without it
        try:
            tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", compression=compression)
        except Exception:
            continue  # not of 16 bits
        if compression == "jpeg" and kind is np.uint16:
            assert "unsupported kind (YCBCR, 3 samples of 12 bits" in message_of(tmp_path / "a.tif")
        else:
            np.testing.assert_allclose(first(read_image(tmp_path / "a.tif")), 200, atol=2)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("pixels", "options", "message"),
    [
        (np.ones((4, 4), np.int8), {}, "holds signed numbers"),
        (np.ones((4, 4), np.int16), {}, "holds signed numbers"),
        (np.ones((4, 4, 3), np.int16), {"photometric": "rgb"}, "holds signed numbers"),
        (np.full((4, 4), -1, np.int32), {}, "white is unknown"),
        (np.full((4, 4), 2**20, np.uint32), {}, "white is unknown"),
        (np.full((4, 4, 3), 2**20, np.uint32), {"photometric": "rgb"}, "white is unknown"),
        (np.full((4, 4, 3), 30000, np.float32), {"photometric": "rgb"}, "white is unknown"),
        (np.full((4, 4, 3), np.nan, np.float32), {"photometric": "rgb"}, "not finite"),
        (np.ones((4, 4), np.complex64), {}, "unsupported kind"),
        (np.ones((4, 4, 3), bool), {"photometric": "rgb"}, "unsupported kind"),
        (np.ones((4, 4, 4), np.float32), {"photometric": "separated"}, "unsupported kind"),
        (np.ones((4, 4, 4), np.uint32), {"photometric": "separated"}, "unsupported kind"),
        (np.ones((4, 4, 3), np.float32), {"photometric": "cielab"}, "unsupported kind"),
        (np.ones((4, 4, 3), np.uint16), {"photometric": 32845}, "unsupported kind (LOGLUV"),
    ],
)
def test_what_has_no_meaning_is_refused_with_the_remedy(tmp_path, capfd, pixels, options, message):
    tifffile.imwrite(tmp_path / "a.tif", pixels, metadata=None, **{"photometric": "minisblack"} | options)
    assert message in message_of(tmp_path / "a.tif")
    assert "save " in message_of(tmp_path / "a.tif")
    assert capfd.readouterr() == ("", "")


# --- camera raws ------------------------------------------------------------------------------------------------------


def raw_like(path, *, extratags=(), **settings):
    """A thumbnail, and what a sensor saw within it."""
    with tifffile.TiffWriter(path) as file:
        file.write(SMALL, photometric="rgb", metadata=None, subfiletype=1, subifds=1, extratags=extratags)
        sensor = noise(48, 64) if settings.get("photometric") == 34892 else noise(48, 64, 1)[..., 0]
        file.write(sensor, metadata=None, **{"photometric": "minisblack"} | settings)


REFUSED = "expected a finished picture, got a camera raw; develop it"


def test_camera_raws_are_refused_whatever_they_are_called(tmp_path):
    version = (50706, "B", 4, (1, 4, 0, 0), True)
    linear = {"photometric": 34892, "planarconfig": "contig"}
    for settings, tags in (({"photometric": "cfa"}, ()), (linear, ()), ({}, [version])):
        for name in ("a.tif", "a.dng", "a.NEF", "a.png", "a"):
            raw_like(tmp_path / name, extratags=tags, **settings)
            assert REFUSED in message_of(tmp_path / name)


def test_compressions_of_one_maker_tell_a_raw(tmp_path):
    raw_like(tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        place = file.pages[0].pages[0].tags[259].valueoffset
    for number in (34713, 32767, 32770, 65535, 65000, 32769):
        data = bytearray((tmp_path / "a.tif").read_bytes())
        data[place : place + 2] = struct.pack("<H", number)
        (tmp_path / "b.tif").write_bytes(data)
        assert REFUSED in message_of(tmp_path / "b.tif"), number


def test_names_and_signatures_of_raws(tmp_path):
    small = io.BytesIO()
    tifffile.imwrite(small, SMALL, photometric="rgb")
    for extension in ["nef", "NEF", "dng", "cr2", "arw", "orf", "pef", "srw", "rw2", "3fr", "nrw", "sr2", "iiq"]:
        (tmp_path / f"a.{extension}").write_bytes(small.getvalue())
        assert REFUSED in message_of(tmp_path / f"a.{extension}")
    data = small.getvalue()
    for index, head in enumerate(
        [
            b"II*\0\x10\0\0\0CR\x02\0" + data[12:],
            b"IIRO" + data[4:],
            b"IIU\0" + data[4:],
            b"MMOR" + data[4:],
            b"FUJIFILMCCD-RAW 0201",
            b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom",
            b"II\x1a\0\0\0HEAPCCDR\x02\0",
            b"\0MRM\0\0\0\0",
            b"FOVb" + bytes(100),
        ]
    ):
        (tmp_path / f"{index}.jpg").write_bytes(head)
        assert REFUSED in message_of(tmp_path / f"{index}.jpg"), head[:16]
    (tmp_path / "a.x3f").write_bytes(b"something new")
    assert REFUSED in message_of(tmp_path / "a.x3f")


def test_pictures_with_the_name_of_a_raw_are_read(tmp_path):
    Image.fromarray(SMALL).save(tmp_path / "a.raw", "PNG")
    assert same(read_image(tmp_path / "a.raw"), SMALL)
