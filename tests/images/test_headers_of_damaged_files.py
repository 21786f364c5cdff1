"""What reads headers before a library does never raises anything on damaged files but what it says."""

import io

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import SETTINGS, SMOOTH
from PIL import Image

from neural_style.images import jpeg2000, optional_formats, png_chunks, tiff_pages, webp
from neural_style.images.boxes import find_boxes
from neural_style.images.writing import write_image

FEW = settings(deadline=None, max_examples=100)
DEEP = np.zeros((4, 4, 3), np.uint16)
WHOLE = {
    "jp2": imagecodecs.jpeg2k_encode(DEEP, level=0, codecformat="jp2", reversible=True),
    "j2k": imagecodecs.jpeg2k_encode(DEEP, level=0, codecformat="j2k", reversible=True),
    "jxl": imagecodecs.jpegxl_encode(np.zeros((4, 4, 3), np.uint8), usecontainer=True),
    "bare jxl": imagecodecs.jpegxl_encode(np.zeros((4, 4, 3), np.uint8)),
    "webp": imagecodecs.webp_encode(np.zeros((4, 4, 3), np.uint8)),
}


@st.composite
def damaged(draw, whole):
    """A file of which some bytes are others, and which ends somewhere."""
    data = bytearray(whole[: draw(st.integers(1, len(whole)))])
    for place, value in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=8)):
        data[place] = value
    return bytes(data)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    for name in ("a.png", "a.tif"):
        write_image(folder / name, SMOOTH.astype(np.uint16) * 257, settings=SETTINGS, overwrite=False)
    return {name: (folder / name).read_bytes() for name in ("a.png", "a.tif")}


@FEW
@given(st.data())
def test_png_chunks(written, data):
    stream = io.BytesIO(data.draw(damaged(written["a.png"])))
    for part in png_chunks.find_chunks(stream):
        assert len(png_chunks.read_data(stream, part)) <= part.length
    readable, _ = png_chunks.for_pillow(stream)
    assert readable.tell() == 0
    copy, _ = png_chunks.without_pixels(stream)
    assert copy.read(8) == png_chunks.SIGNATURE


@FEW
@given(st.sampled_from(["jp2", "j2k"]), st.data())
def test_headers_of_jpeg_2000(kind, data):
    header = jpeg2000.read_header(io.BytesIO(data.draw(damaged(WHOLE[kind]))))
    if header is not None:
        assert header.bits
        assert header.is_deep in (True, False)
        assert jpeg2000.unsupported(header) is None or jpeg2000.unsupported(header).isprintable()


@FEW
@given(st.sampled_from(["jxl", "bare jxl"]), st.data())
def test_sizes_of_jpeg_xl(kind, data):
    size = optional_formats.jxl_size(io.BytesIO(data.draw(damaged(WHOLE[kind]))))
    assert size is None or min(size) >= 0


@FEW
@given(st.data())
def test_sizes_of_webp(data):
    size = webp.size_of(io.BytesIO(data.draw(damaged(WHOLE["webp"]))))
    assert size is None or min(size) >= 0


@FEW
@given(st.binary(max_size=100))
def test_boxes(data):
    for _, start, end in find_boxes(io.BytesIO(data), 0):
        assert start <= end


@FEW
@given(st.data())
def test_choice_of_a_tiff_page(written, data):
    """It returns a file that is not decoded, or raises an error that reading turns into one line."""
    from neural_style.images.deep_formats import DeepFile

    try:
        opened = tiff_pages.open_tiff(io.BytesIO(data.draw(damaged(written["a.tif"]))), "picture 'a.tif'")
    except Exception as error:
        assert not isinstance(error, (MemoryError, RecursionError))
        return
    assert opened is None or isinstance(opened, (DeepFile, Image.Image))
