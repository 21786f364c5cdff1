"""Pictures that are made to break what reads them."""

import io
import json
import logging
import struct
import tracemalloc

import imagecodecs
import numpy as np
import pytest
import tifffile
from picture_files import SMOOTH, chunk, flat, message_of, png, saved
from PIL import Image, ImageCms

from neural_style.config.encoded_picture import EncodedPicture
from neural_style.errors import ImageError
from neural_style.images import limits, png_chunks
from neural_style.images.reading import MAX_PIXELS, read_image, read_settings
from neural_style.images.writing import write_image

MOST = 10_000
TOO_LARGE = f"expected at most {MOST} pixels, got "


def file_of(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return bytearray(file.getvalue())


def refusal(path, data):
    """What is said of a file with these bytes; the memory of Python and NumPy that it takes is measured, too."""
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(ImageError) as caught:
            read_image(path, "content picture", MOST)
        assert tracemalloc.get_traced_memory()[1] < 20e6 + 2 * len(data)
    finally:
        tracemalloc.stop()
    assert str(caught.value).isprintable()
    return str(caught.value)


# --- pixels -----------------------------------------------------------------------------------------------------------


def webp_of(width, height, *, is_lossless=None):
    if is_lossless is None:
        canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        first = b"VP8X" + struct.pack("<I", 10) + canvas
    elif is_lossless:
        first = b"VP8L" + struct.pack("<IBI", 5, 0x2F, width - 1 | height - 1 << 14)
    else:
        first = b"VP8 " + struct.pack("<I", 10) + b"\x10\0\0\x9d\1\x2a" + struct.pack("<HH", width, height)
    return b"RIFF" + struct.pack("<I", 100) + b"WEBP" + first + bytes(100)


@pytest.mark.parametrize("is_lossless", [None, True, False])
def test_webp_is_refused_before_its_decoder_makes_room(tmp_path, monkeypatch, is_lossless):
    monkeypatch.setattr("PIL._webp.WebPAnimDecoder", lambda _: pytest.fail("was opened"))
    said = refusal(tmp_path / "a.webp", webp_of(16000, 12000, is_lossless=is_lossless))
    assert f"{TOO_LARGE}16000×12000;" in said


def test_sizes_of_webp_are_those_of_the_decoder(tmp_path):
    from neural_style.images import webp

    for options in ({}, {"lossless": True}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}):
        for size in ((1, 1), (37, 500), (300, 2)):
            path = saved(tmp_path / "a.webp", flat("RGB", (9, 8, 7), size), **options)
            with open(path, "rb") as stream:
                assert webp.size_of(stream) == size


@pytest.mark.parametrize("sizes", [[0, 200], [2, 3, 200], [1] * 14 + [200], [200]])
def test_jpeg_xl_whose_header_is_spread_over_parts(tmp_path, sizes):
    pytest.importorskip("pillow_jxl")
    stream = imagecodecs.jpegxl_encode(np.zeros((300, 700, 3), np.uint8), lossless=True)
    data = b"\0\0\0\x0cJXL \r\n\x87\n" + struct.pack(">I4s4sI4s", 20, b"ftyp", b"jxl ", 0, b"jxl ")
    for number, size in enumerate(sizes):
        part, stream = (stream[:size], stream[size:]) if number < len(sizes) - 1 else (stream, b"")
        order = number | (2**31 if number == len(sizes) - 1 else 0)
        data += struct.pack(">I4sI", 12 + len(part), b"jxlp", order) + part
    assert f"{TOO_LARGE}700×300;" in refusal(tmp_path / "a.jxl", data)
    assert read_image(tmp_path / "a.jxl").width == 700


@pytest.mark.parametrize("data", [b"RIFF\x40\0\0\0WEBPALPH" + bytes(50), b"\xff\x4f\xff\x51" + bytes(9)])
def test_headers_without_a_size(tmp_path, data):
    assert "(ValueError: no size in its header)" in refusal(tmp_path / "a", data)


def test_jpeg_2000_whose_headers_differ(tmp_path):
    data = file_of(flat("RGB", (9, 8, 7)), "JPEG2000")
    start = data.index(b"\xff\x4f\xff\x51") + 8
    for size in ((40000, 40000), (101, 100)):
        data[start : start + 8] = struct.pack(">II", *size)
        assert TOO_LARGE + "×".join(map(str, size)) in refusal(tmp_path / "a.jp2", data)
    data[start : start + 16] = struct.pack(">4I", 10, 10, 20, 20)
    assert "has no pixels (-10×-10)" in refusal(tmp_path / "a.jp2", data)


@pytest.mark.parametrize("bits", [8, 16])
def test_png_with_two_headers(tmp_path, bits):
    whole = png(2, 1, bits, 2, bytes(6 * bits // 8))
    second = chunk(b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, bits, 2, 0, 0, 0))
    said = refusal(tmp_path / "a.png", whole[:33] + second + whole[33:])
    assert f"{TOO_LARGE}30000×30000;" in said if bits == 8 else "(ValueError: two sizes)" in said


def test_frame_that_is_larger_than_the_canvas(tmp_path):
    data = file_of(flat("L", 9), "GIF")
    place = data.index(b",\0\0\0\0")
    data[place + 5 : place + 9] = struct.pack("<HH", 60000, 60000)
    assert f"{TOO_LARGE}60000×60000;" in refusal(tmp_path / "a.gif", data)


@pytest.mark.parametrize("head", [b"P6 99999999 99999999 255 ", b"P4\n99999 99999\n", b"Pf 99999 99999 -1.0\n"])
def test_ppm_without_pixels(tmp_path, head):
    assert TOO_LARGE in refusal(tmp_path / "a.ppm", head + b"abc")


# --- TIFF -------------------------------------------------------------------------------------------------------------


def tiff_with(pixels, changes, extra=b"", **options):
    """A TIFF whose tags have other values."""
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb", metadata=None, **options)
    data = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as opened:
        for code, value in changes.items():
            tag = opened.pages[0].tags[code]
            form = {3: "<H", 4: "<I", 16: "<Q"}[int(tag.dtype)]
            stored = struct.pack(form, len(data) if value == "end" else value)
            data[tag.valueoffset : tag.valueoffset + len(stored)] = stored
    return bytes(data) + extra


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("webp", lambda pixels: imagecodecs.webp_encode(pixels, lossless=True)),
        ("jpegxl", lambda pixels: imagecodecs.jpegxl_encode(pixels, lossless=True)),
        ("jpeg2000", lambda pixels: imagecodecs.jpeg2k_encode(pixels, level=0)),
    ],
)
def test_segment_that_is_larger_than_its_place(tmp_path, monkeypatch, name, encode):
    large = encode(np.zeros((600, 700, 3), np.uint8))
    data = tiff_with(np.zeros((16, 16, 3), np.uint8), {273: "end", 279: len(large)}, large, compression=name)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda *_, **__: pytest.fail("was decoded"))
    assert "a strip or tile of 700×600 for a place of 16×16" in refusal(tmp_path / "a.tif", data)


def test_segment_of_another_compression(tmp_path):
    data = tiff_with(np.zeros((16, 16, 3), np.uint8), {259: 50001}, compression="deflate")
    assert "that is not of compression 50001" in refusal(tmp_path / "a.tif", data)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_tile_that_is_larger_than_the_picture(tmp_path, kind):
    data = tiff_with(np.zeros((16, 16, 3), kind), {322: 60000, 323: 60000}, tile=(16, 16), compression="deflate")
    assert "(ValueError: tiles that are larger than the picture)" in refusal(tmp_path / "a.tif", data)
    ordinary = tiff_with(np.full((16, 16, 3), 9, kind), {}, tile=(1024, 1024), compression="deflate")
    (tmp_path / "b.tif").write_bytes(ordinary)
    assert read_image(tmp_path / "b.tif").width == 16


def test_a_compression_of_measurements_is_of_an_unsupported_kind(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4, 3), np.float32), photometric="rgb", compression="lerc")
    assert "is a TIFF file of an unsupported kind" in message_of(tmp_path / "a.tif")


def test_tag_of_a_tiff_that_is_text_is_made_printable(tmp_path):
    """Found by fuzzing: the photometric interpretation as text."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), bool), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        place = file.pages[0].tags[262].offset
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[place + 2 : place + 12] = struct.pack("<HI4s", 2, 2, b"\2\n\0\0")
    assert "is a TIFF file of an unsupported kind (?, 1 samples of 1 bits, bool); save" in refusal(
        tmp_path / "a.tif", data
    )


@pytest.mark.parametrize(("width", "height"), [((3, 3, 8), (16, 1, 2**52)), ((16, 1, 2**52), (16, 1, 2**52))])
def test_sizes_of_a_tiff_that_are_no_sizes(tmp_path, width, height):
    """Found by fuzzing: three widths, which Python repeats as often as the height says."""
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((8, 8, 3), np.uint16), photometric="rgb", metadata=None, bigtiff=True)
    data = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as opened:
        tags = opened.pages[0].tags
        for code, (kind, count, value) in {256: width, 257: height}.items():
            place = tags[code].offset
            data[place + 2 : place + 20] = struct.pack("<HQQ", kind, count, value)
    assert TOO_LARGE in refusal(tmp_path / "a.tif", data)


def test_pages_in_a_loop(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for _ in range(120):
            writer.write(np.zeros((2, 2), np.uint8), metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        last, target = file.pages[-1], file.pages[40].offset
        end = last.offset + 2 + 12 * len(last.tags)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    assert data[end : end + 4] == bytes(4)
    data[end : end + 4] = struct.pack("<I", target)
    assert "(ValueError: a loop of pages)" in refusal(tmp_path / "a.tif", data)


# --- time and metadata ------------------------------------------------------------------------------------------------


def test_jpeg_of_endless_scans(tmp_path):
    data = bytes(file_of(Image.fromarray(SMOOTH), "JPEG", progressive=True))
    scan = data[data.rindex(b"\xff\xda") : -2]
    said = refusal(tmp_path / "a.jpg", data[:-2] + scan * 600 + data[-2:])
    assert said == "content picture 'a.jpg' holds more than 500 scans, and no picture needs them; save it again"
    (tmp_path / "b.jpg").write_bytes(data[:-2] + scan * 5 + data[-2:])
    assert read_image(tmp_path / "b.jpg").width == 30


def test_png_of_endless_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(png_chunks, "MOST_CHUNKS", 100)
    whole = png(2, 1, 8, 2, bytes(6))
    said = refusal(tmp_path / "a.png", whole[:33] + chunk(b"tEXt", b"a\0b") * 200 + whole[33:])
    assert "holds more than 100 chunks" in said


def lengths():
    """Files with a length of 2 GB or more that is not there."""
    whole = png(2, 1, 16, 2, bytes(12))
    exact = struct.pack(">I", 2**32 - 1)
    yield "a.png", exact.join([whole[:8], whole[12:]])
    yield "b.png", whole[:33] + exact + b"iCCP" + whole[33:]
    yield "c.png", whole[:33] + exact + b"tEXt" + whole[33:]
    jpeg2000 = bytes(file_of(flat("RGB", (9, 8, 7)), "JPEG2000"))
    place = jpeg2000.index(b"jp2h") - 4
    yield "a.jp2", jpeg2000[:place] + struct.pack(">I4sQ", 1, b"jp2h", 2**62) + jpeg2000[place + 8 :]
    place = jpeg2000.index(b"colr") - 4
    yield "b.jp2", jpeg2000[:place] + struct.pack(">I4sQ", 1, b"colr", 2**62) + b"\2\0\0" + jpeg2000[place + 8 :]


@pytest.mark.parametrize(("name", "data"), list(lengths()), ids=lambda value: value if isinstance(value, str) else "")
def test_lengths_that_are_not_there(tmp_path, name, data):
    """`read` makes room for as much as it is asked for, so 2**62 bytes would be a lack of memory."""
    path = tmp_path / name
    path.write_bytes(data)
    tracemalloc.start()
    for read in (lambda: read_image(path), lambda: read_settings(path)):
        try:
            read()
        except ImageError as error:
            assert str(error).isprintable()
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_reading_never_asks_for_more_than_there_is(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    with limits.PictureFile(tmp_path / "a") as file:
        assert file.read(4) == b"0123"
        assert file.read(2**62) == b"456789"
        assert file.read(1) == b""
        file.seek(100)
        assert file.read() == b""
        file.seek(8)
        assert file.read(None) == b"89"


def test_size_of_files(tmp_path):
    most = limits.most_bytes(10)
    with open(tmp_path / "a.png", "wb") as file:
        file.write(png(1, 1, 8, 2, bytes(3)))
        file.truncate(most)
    assert read_image(tmp_path / "a.png", max_pixels=10).width == 1
    with open(tmp_path / "a.png", "ab") as file:
        file.write(b"\0")
    with pytest.raises(
        ImageError, match=r"a file of at most 268 MB, as 10 pixels may take, got 268 MB; give a smaller"
    ):
        read_image(tmp_path / "a.png", max_pixels=10)
    assert limits.most_bytes(MAX_PIXELS) > 4e9


def test_size_of_bytes(monkeypatch):
    monkeypatch.setattr(limits, "MOST_BESIDE_PIXELS", 0)
    with pytest.raises(ImageError, match="standard input"):
        read_image(EncodedPicture(png(1, 1, 8, 2, bytes(3)), "standard input", "stdin"), max_pixels=1)


def test_large_exif_is_ignored_with_a_warning(tmp_path, monkeypatch, caplog):
    exif = Image.Exif()
    exif[0x0112], exif[0x0131] = 6, "neural-style 1"
    for name in ("a.png", "a.jpg", "a.webp"):
        path = saved(tmp_path / name, Image.new("RGB", (20, 10), (200, 100, 0)), exif=exif)
        assert read_image(path).height == 20
    monkeypatch.setattr(limits, "MOST_EXIF", 10)
    for name in ("a.png", "a.jpg", "a.webp"):
        caplog.clear()
        assert read_image(tmp_path / name, "content picture").height == 10
        assert [record.getMessage() for record in caplog.records] == [
            f"content picture {name!r}: its EXIF data are larger than 0 MiB and ignored"
        ]
        assert read_settings(tmp_path / name) is None


@pytest.mark.parametrize("deep", [False, True])
def test_large_profile_is_ignored_with_a_warning(tmp_path, caplog, monkeypatch, deep):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + b"\0"
    pixels = np.full((4, 4, 3), (90, 60, 30), np.uint8)
    pixels = pixels.astype(np.uint16) * 257 if deep else pixels
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", iccprofile=profile)
    read_image(tmp_path / "a.tif")
    assert not caplog.records
    monkeypatch.setattr("neural_style.images.color_profiles.MOST_PROFILE", len(profile) - 1)
    assert read_image(tmp_path / "a.tif").rgb[0, 0].round().tolist() == [90, 60, 30]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "is unusable and ignored, so colors may be off (more than 0 MiB)" in record.getMessage()


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["[" * 200_000, "{" + '"a":{' * 50_000, "1" * 10_000, "[1]", '"a"', "NaN", "\ud83d"])
def test_settings_that_are_none(tmp_path, text):
    whole = png(2, 1, 8, 2, bytes(6))
    body = b"neural_style\0" + text.encode("latin-1", "replace")
    (tmp_path / "a.png").write_bytes(whole[:33] + chunk(b"tEXt", body) + whole[33:])
    assert read_settings(tmp_path / "a.png") is None


def test_settings_are_bounded(tmp_path, monkeypatch):
    path = write_image(tmp_path / "a.png", SMOOTH, settings={"content": "x" * 100}, overwrite=False)
    assert read_settings(path) == {"content": "x" * 100}
    monkeypatch.setattr(limits, "MOST_SETTINGS", len(json.dumps({"content": "x" * 100})) - 1)
    assert read_settings(path) is None


@pytest.mark.parametrize("value", [5, b"\xff", (1, 2)])
def test_description_that_is_no_text(tmp_path, value):
    exif = Image.Exif()
    exif[0x0131], exif[0x010E] = "neural-style 1", value
    for name in ("a.jpg", "a.webp"):
        assert read_settings(saved(tmp_path / name, flat("RGB", (9, 8, 7)), exif=exif)) is None


def test_settings_of_formats_that_hold_none(tmp_path, monkeypatch):
    """Nothing is decoded for them, and a TIFF that Pillow does not read is none the less a picture."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4, 3), np.float32), photometric="rgb", metadata=None)
    assert read_settings(tmp_path / "a.tif") is None
    saved(tmp_path / "a.gif", flat("L", 9))
    monkeypatch.setattr("neural_style.images.pillow_files.open_with_pillow", lambda *_: pytest.fail("was opened"))
    assert read_settings(tmp_path / "a.gif") is None
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(ImageError, match="not a picture of a known kind"):
        read_settings(tmp_path / "a.txt")


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a\nb.png", "{0}{x!r}.png", "%s%d%(a)s.png", "\x1b[31m.png"])
def test_names_do_not_break_messages(tmp_path, caplog, name):
    image = flat("RGB", (9, 8, 7))
    image.info["exif"] = b"Exif\0\0II*\0rubbish"
    path = saved(tmp_path / name, image, exif=b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\2\0\xff\xff\xff\xff\0\0\0\0")
    read_image(path, "content picture")
    data = path.read_bytes()
    for damaged in (data[:60], b"hello", data[:20] + b"\xff" * 30):
        assert refusal(path, damaged).startswith(f"content picture {name!r}")
    assert all(record.getMessage().isprintable() for record in caplog.records)


def test_what_libraries_quote_from_files_is_made_printable(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("bad\n\x1b[31m" + "x" * 5000)

    monkeypatch.setattr("neural_style.images.pillow_files.open_with_pillow", fail)
    said = refusal(tmp_path / "a.png", png(1, 1, 8, 2, bytes(3)))
    assert said.startswith("content picture 'a.png' is damaged or truncated (OSError: bad ?[31mxx")
    assert len(said) < 500
