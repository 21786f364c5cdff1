"""Which files are opened, and what is said of others."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import flat, message_of, saved
from PIL import Image

from neural_style.images import formats, pillow_files
from neural_style.images.reading import read_image

ROOT = Path(__file__).resolve().parents[2]

OTHERS = {
    "document.pdf": (b"%PDF-1.7\n", "a PDF document"),
    "drawing.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "a PostScript (EPS) drawing"),
    "preview.eps": (b"\xc5\xd0\xd3\xc6\x20\0\0\0", "a PostScript (EPS) drawing"),
    "stars.fits": (b"SIMPLE  =                    T", "a FITS file"),
    "layers.psd": (b"8BPS\0\1\0\0\0\0\0\0\0\3", "a Photoshop (PSD) document"),
    "layers.xcf": (b"gimp xcf file\0", "a GIMP (XCF) document"),
    "drawing.svg": (b"\xef\xbb\xbf\n<svg xmlns='http://www.w3.org/2000/svg'>", "an SVG drawing or another XML file"),
    "download.jpg": (b"\n<!DOCTYPE html><html>", "a web page"),
    "drawing.wmf": (b"\xd7\xcd\xc6\x9a\0\0", "a Windows metafile (WMF or EMF)"),
    "drawing.emf": (b"\1\0\0\0l\0\0\0", "a Windows metafile (WMF or EMF)"),
    "a.ico": (b"\0\0\1\0\1\0\x10\x10", "an icon"),
    "a.icns": (b"icns\0\0\1\0", "an icon"),
    "light.exr": (b"v/1\1\2\0\0\0", "a picture of high dynamic range (OpenEXR or Radiance)"),
    "a.mp4": (b"\0\0\0\x18ftypmp42\0\0\0\0", "a film"),
    "a.zip": (b"PK\3\4\x14\0", "an archive, or a document that is one inside"),
    "pointer.png": (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, not the file itself"),
    "text.png": (b"hello", "not a picture of a known kind"),
    "bm.txt": (b"BMI is a number", "not a picture of a known kind"),
    "p.txt": (b"P1ain text", "not a picture of a known kind"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_named_and_refused(tmp_path, name):
    head, kind = OTHERS[name]
    (tmp_path / name).write_bytes(head + bytes(300))
    expected = f"content picture {name!r} is {kind}; expected {formats.names()}: convert it"
    assert message_of(tmp_path / name) == expected


def test_no_other_plugin_of_pillow_sees_a_file(tmp_path, monkeypatch):
    """Not even of files that they accept, such as pictures in formats that this program no longer opens."""
    Image.init()
    kept = {form.plugin for form in formats.FORMATS}
    for name in ("a.pcx", "a.sgi", "a.tga", "a.ico", "a.eps", "a.dds", "a.msp"):
        saved(tmp_path / name, flat("1" if name == "a.msp" else "RGB", 255 if name == "a.msp" else (9, 8, 7)))
    for plugin in set(Image.OPEN) - kept:
        monkeypatch.setitem(
            Image.OPEN, plugin, (lambda *_: pytest.fail("was opened"), lambda _: pytest.fail("was tried"))
        )
    for path in tmp_path.iterdir():
        assert f"expected {formats.names()}" in message_of(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "a.bmp", "a.gif", "a.jp2", "a.j2k", "a.ppm"])
def test_the_content_decides_not_the_name(tmp_path, name):
    path = saved(tmp_path / name, flat("RGB", (90, 60, 30)))
    path.rename(tmp_path / "a.heic")
    assert read_image(tmp_path / "a.heic").width == 16
    form = formats.format_of((tmp_path / "a.heic").read_bytes()[: formats.HEAD])
    assert Path(name).suffix in form.suffixes


def test_every_plugin_is_found_by_its_name():
    for form in formats.FORMATS:
        if form.plugin in pillow_files._MODULES:
            __import__(f"PIL.{pillow_files._MODULES[form.plugin]}ImagePlugin")
            assert form.plugin in Image.OPEN
        else:
            assert form in (formats.PNG, formats.JPEG, formats.TIFF) or form.plugin is None


def test_documents_name_the_formats():
    listed = formats.names().replace(" or ", " and ")
    for page in ("docs/pictures.md", "README.md"):
        words = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        assert f"Supported inputs: {listed}" in words, page


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=80))
def test_any_beginning_has_a_format_or_none(head):
    assert formats.format_of(head) in (None, *formats.FORMATS)
    assert formats.other_kind(head) is None or formats.other_kind(head).isprintable()
