import pytest
from PIL import Image

from neural_style.errors import ImageError
from neural_style.images.folders import is_folder, is_picture_name, pictures_in

ROLE = "style folder"


@pytest.fixture
def folder(tmp_path):
    """A folder with pictures of several kinds, and with what is none."""
    for name in ("b.png", "C.JPG", "a.webp", "10.tif", "9.bmp", ".hidden.png"):
        Image.new("RGB", (40, 40)).save(tmp_path / name, {"C.JPG": "JPEG"}.get(name))
    for name in ("notes.txt", "film.mpg", "data.h5", "png", "x.png~", "broken.jpeg", "phone.HEIC", "new.jxl"):
        (tmp_path / name).write_bytes(b"?")
    (tmp_path / "link.png").symlink_to("b.png")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "sub.png").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "sub.png" / "deep.png")
    return tmp_path


def test_pictures_are_found_by_their_suffix_in_the_order_of_their_names(folder):
    """Those that cannot be read as well, so that they are not missing without a word."""
    found = pictures_in(folder, ROLE)
    assert [path.name for path in found] == [
        *("10.tif", "9.bmp", "C.JPG", "a.webp", "b.png", "broken.jpeg", "link.png", "new.jxl", "phone.HEIC")
    ]
    assert {path.parent for path in found} == {folder}
    assert pictures_in(str(folder), ROLE) == found


def test_names_of_pictures():
    for name in ("a.png", "x/y.JPEG", "x.y.tiff", "a.avif", "b.jp2", "c.heif"):
        assert is_picture_name(name), name
    for name in (".png", ".a.png", "x/.a.png", "a.txt", "a", "a.png/b", "a.pdf", "a.wmf"):
        assert not is_picture_name(name), name


def test_an_empty_folder_is_refused_in_one_line(tmp_path):
    (tmp_path / "works").mkdir()
    (tmp_path / "works" / "notes.txt").touch()
    with pytest.raises(ImageError, match=r"^style folder 'works': expected pictures .*, got none; give an") as caught:
        pictures_in(tmp_path / "works", ROLE)
    assert repr(str(tmp_path / "works")) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    def listdir(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("neural_style.images.folders.os.listdir", listdir)
    with pytest.raises(ImageError, match=r"cannot be read \(Permission denied\); give a folder of pictures$"):
        pictures_in(tmp_path, ROLE)


def test_folders_are_paths_of_folders(folder):
    assert is_folder(folder)
    assert is_folder(str(folder))
    for other in (folder / "b.png", folder / "nowhere", Image.new("RGB", (2, 2)), None, 3):
        assert not is_folder(other)
