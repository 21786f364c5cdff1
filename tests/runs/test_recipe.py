import numpy as np
import pytest

from neural_style import config_from_picture
from neural_style.config.config import Config
from neural_style.errors import ImageError, UsageError
from neural_style.images.writing import write_image
from neural_style.runs.recipe import recipe_of

SETTINGS = {"content": "photo.png", "styles": ["a.png", "b.png"], "width": 64, "strength": 0.25, "weights": "builtin"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A current folder `here`, and beside it a folder `there`."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def touch(*paths):
    for path in paths:
        path.write_bytes(b"x")


def painted(path, **changes):
    """A picture with settings; None leaves one out."""
    settings = {name: value for name, value in {**SETTINGS, **changes}.items() if value is not None}
    return write_image(path, np.zeros((4, 4, 3), np.uint8), settings=settings, overwrite=True)


def test_pictures_are_found_in_the_current_folder_and_in_that_of_the_picture(place):
    path = painted(place / "there" / "x.png")
    touch(
        place / "here" / "photo.png", place / "there" / "photo.png", place / "there" / "a.png", place / "here" / "b.png"
    )
    there = str(place / "there" / "a.png")
    expected = Config("photo.png", [there, "b.png"], width=64, strength=0.25, weights="builtin")
    assert config_from_picture(path) == expected
    assert config_from_picture(path, content="other.png", width=32).content == "other.png"
    with pytest.raises(ImageError, match=r"'b\.png' \(styles\); give --styles FILE FILE$"):
        config_from_picture(path, [place / "there"])


def test_missing_pictures_are_named_with_the_flags_that_give_them(place):
    path = painted(place / "there" / "x.png", content_mask="m.png")
    with pytest.raises(ImageError) as caught:
        config_from_picture(path)
    assert str(caught.value) == (
        "in 'x.png': expected the files that it was made from, got none for 'photo.png' (content), 'a.png' (styles), "
        "'b.png' (styles), 'm.png' (content_mask); give --content FILE and --styles FILE FILE and --content_mask FILE"
    )
    assert config_from_picture(path, content="p", styles=["c", "d"], content_mask="n").styles == ("c", "d")


def test_only_files_are_found_and_folders_of_styles(place):
    path = painted(place / "here" / "x.png")
    for name in ("photo.png", "a.png", "b.png"):
        (place / "here" / name).mkdir()
    recipe = recipe_of(path, [""], {})
    assert [(file.option, file.path) for file in recipe.files] == [
        *[("content", None), ("styles", "a.png"), ("styles", "b.png")],
    ]


@pytest.mark.parametrize("name", ["~root", "-", "-x.png", "noise"])
def test_a_name_is_that_of_a_file_whatever_else_it_may_stand_for(name, place):
    path = painted(place / "here" / "x.png", content=name, styles=["a.png"])
    touch(place / "here" / "a.png", place / "here" / name)
    assert config_from_picture(path).content == f"./{name}"


def test_changes_take_what_belongs_to_them_with_them(place):
    touch(*(place / "here" / name for name in ("photo.png", "a.png", "b.png", "m.png", "n.png")))
    path = painted(
        place / "here" / "x.png", content_masks=["m.png", "n.png"], tv_weight=3.0, iterations=7, quality="best"
    )
    assert config_from_picture(path).content_masks == ("m.png", "n.png")
    elsewhere = config_from_picture(path, styles=["/elsewhere/a.png", "/elsewhere/b.png"])
    assert elsewhere.content_masks == ("m.png", "n.png")  # the same pictures in another place
    assert config_from_picture(path, styles=["c.png"]).content_masks is None
    assert config_from_picture(path, quality="draft").iterations is None
    assert config_from_picture(path, strength=0).tv_weight is None
    assert config_from_picture(path, width=32).tv_weight == 3


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        *((name, name) for name in ("builtin", "imagenet-8bit", "imagenet-exact", "imagenet", "auto")),
        ("imagenet (vgg19.h5)", "imagenet-exact"),
        ("mine.npz", None),
        ("/nets/mine.npz", None),
        ("builtin#sha256:00", None),
        ("~/x.npz", None),
    ],
)
def test_weights_have_a_name_of_their_own_or_are_asked_for(name, taken, place):
    touch(*(place / "here" / each for each in ("photo.png", "a.png", "b.png", "mine.npz")))
    path = painted(place / "here" / "x.png", weights=name)
    if taken is not None:
        assert config_from_picture(path).weights == taken
        return
    with pytest.raises(ImageError, match=r"got none for .* \(weights\); give --weights FILE$"):
        config_from_picture(path)
    assert config_from_picture(path, weights="other.npz").weights == "other.npz"


def test_a_profile_is_asked_for(place):
    touch(*(place / "here" / each for each in ("photo.png", "a.png", "b.png", "p.icc")))
    path = painted(place / "here" / "x.png", proof="p.icc")
    with pytest.raises(ImageError, match=r"'p\.icc' \(proof\); give --proof FILE$"):
        config_from_picture(path)
    assert config_from_picture(path, proof="p.icc").proof == "p.icc"


def test_errors_name_the_picture(place):
    path = painted(place / "here" / "x.png", scales="many")
    touch(*(place / "here" / each for each in ("photo.png", "a.png", "b.png")))
    with pytest.raises(UsageError, match=r"^in 'x\.png': scales: expected auto or"):
        config_from_picture(path)
    assert config_from_picture(path, scales="2").scales == "2"
    with pytest.raises(UsageError, match=r"^in 'y\.png': content: expected the name of a file without a folder"):
        config_from_picture(painted(place / "here" / "y.png", content="/x/y.png"))
    assert config_from_picture(place / "here" / "y.png", content="photo.png").content == "photo.png"
    with pytest.raises(UsageError, match=r"^expected options of this version, got colour; leave them out$"):
        config_from_picture(path, colour=3)


@pytest.mark.parametrize(
    "settings", ["null", "[]", "{}", '"x"', "[" * 10**5, '{"a": ' * 10**5, '{"width": 1' + "0" * 9999 + "}"]
)
def test_a_picture_without_settings_is_told(settings, place, monkeypatch):
    monkeypatch.setattr("neural_style.images.writing._settings_text", lambda _: settings)
    with pytest.raises(
        ImageError, match=r"^'x\.png': expected a picture with the settings of a run, got none; give a PNG"
    ):
        config_from_picture(painted(place / "here" / "x.png"))


def test_a_picture_that_cannot_be_read_is_told(place):
    with pytest.raises(ImageError, match=r"^picture 'nowhere\.png' does not exist"):
        config_from_picture("nowhere.png")
    touch(place / "here" / "x.png")
    with pytest.raises(ImageError, match=r"^picture 'x\.png' is not a picture of a known kind"):
        config_from_picture("x.png")
