"""Sizes and scans of JPEG files."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from neural_style.images import jpeg_scans
from neural_style.images.jpeg_scans import read_markers
from neural_style.images.limits import MOST_SCANS, ExcessError


def jpeg(size=(40, 24), mode="RGB", **options):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def with_scans(data, count):
    """A JPEG file whose last scan is repeated."""
    start = data.rindex(b"\xff\xda")
    return data[:-2] + data[start:-2] * count + data[-2:]


@pytest.mark.parametrize("block", [7, 2**20])
def test_sizes_and_scans(monkeypatch, block):
    monkeypatch.setattr(jpeg_scans, "_BLOCK", block)
    for options, scans in (({}, 1), ({"restart_marker_blocks": 1}, 1), ({"progressive": True}, 10)):
        data = jpeg(**options)
        assert read_markers(io.BytesIO(data)) == (40, 24, scans), options
    assert read_markers(io.BytesIO(jpeg(mode="L", progressive=True))).scans == 6
    assert read_markers(io.BytesIO(with_scans(jpeg(progressive=True), 20))).scans == 30


def test_what_follows_the_end_and_thumbnails_do_not_count():
    data = jpeg()
    thumbnail = b"\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data
    assert read_markers(io.BytesIO(data[:2] + thumbnail + data[2:] + data * 3)) == (40, 24, 1)


def test_counting_ends():
    scans = with_scans(jpeg((8, 8), progressive=True), 3 * MOST_SCANS)
    assert read_markers(io.BytesIO(scans)).scans == MOST_SCANS + 1


def test_endless_markers_end(monkeypatch):
    monkeypatch.setattr(jpeg_scans, "MOST_CHUNKS", 50)
    with pytest.raises(ExcessError, match="more than 50 markers"):
        read_markers(io.BytesIO(b"\xff\xd8" + b"\xff\xfe\0\2" * 100))


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.booleans())
def test_damaged_files_end(data, begins_well):
    start = jpeg((8, 8), progressive=True)[:150] if begins_well else b"\xff\xd8"
    markers = read_markers(io.BytesIO(start + data))
    assert min(markers) >= 0
