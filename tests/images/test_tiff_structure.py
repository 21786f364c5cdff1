"""Loops and endless pages of TIFF files."""

import io
import struct

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from neural_style.images import tiff_structure
from neural_style.images.limits import MOST_PAGES, MOST_SEGMENTS, MOST_TAG, ExcessError
from neural_style.images.tiff_structure import check_structure

HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def pages(links, tags=((256, 4, 1, 2),)):
    """A little-endian TIFF whose page number i is followed by number links[i]; None ends it."""
    size = 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    parts = [
        struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0 if link is None else 8 + size * link)
        for link in links
    ]
    return io.BytesIO(b"II*\0" + struct.pack("<I", 8) + b"".join(parts))


def test_chains_pass_and_loops_do_not():
    check_structure(pages([1, 2, None]))
    for links in ([0], [1, 0], [1, 2, 1], [*range(1, 150), 40]):
        with pytest.raises(ValueError, match="a loop of pages"):
            check_structure(pages(links))


def test_number_of_pages():
    check_structure(pages([*range(1, MOST_PAGES), None]))
    with pytest.raises(ExcessError, match=f"more than {MOST_PAGES} pages"):
        check_structure(pages([*range(1, MOST_PAGES + 1), None]))


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ((330, 4, MOST_PAGES + 1, 8), f"more than {MOST_PAGES} sub-images"),
        ((273, 4, MOST_SEGMENTS + 1, 8), f"more than {MOST_SEGMENTS} strips or tiles"),
        ((324, 4, MOST_SEGMENTS + 1, 8), f"more than {MOST_SEGMENTS} strips or tiles"),
        ((40000, 12, MOST_TAG // 8 + 1, 8), "more than 64 MiB in tag 40000"),
    ],
)
def test_tags(tag, message):
    with pytest.raises(ExcessError, match=message):
        check_structure(pages([None], [tag]))


def test_layers_in_tags_of_bytes_may_be_large():
    check_structure(pages([None], [(37724, 7, 2**31, 8)]))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_sub_images_are_counted(monkeypatch, big, order):
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=big, byteorder=order) as writer:
        for _ in range(2):
            writer.write(np.zeros((4, 4), np.uint8), subifds=3, metadata=None)
            for _ in range(3):
                writer.write(np.zeros((2, 2), np.uint8), metadata=None)
    for most in (8, 7):
        monkeypatch.setattr(tiff_structure, "MOST_PAGES", most)
        if most == 8:
            check_structure(file)
        else:
            with pytest.raises(ExcessError, match="more than 7 pages"):
                check_structure(file)


def test_sub_images_of_one_another_end():
    check_structure(pages([None, None], [(330, 4, 1, 8 + 18)]))


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(HEADS), st.binary(max_size=120))
def test_damaged_files_end(head, data):
    try:
        check_structure(io.BytesIO(head + data))
    except ValueError as error:
        assert "loop" in str(error) or isinstance(error, ExcessError)
