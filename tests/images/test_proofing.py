import numpy as np
import pytest
from picture_files import icc
from printer_profiles import NARROW, inks_of, printer_profile

from neural_style.errors import ImageError
from neural_style.images.proofing import SIDE, STEP, Proof, read_proof

INTENTS = ("relative", "perceptual", "saturation", "absolute")


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "printer.icc"
    path.write_bytes(printer_profile())
    return path


@pytest.mark.parametrize("intent", INTENTS)
def test_colors_that_can_be_printed_stay(profile, intent):
    inks = np.random.default_rng(0).uniform(0.05, 0.95, (500, 3))
    linear = inks @ NARROW.T
    colors = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(read_proof(profile, intent).printed(colors), colors, atol=1.5)


@pytest.mark.parametrize("intent", INTENTS)
def test_the_others_become_colors_that_can_be_printed(profile, intent):
    colors = np.random.default_rng(1).uniform(-40, 300, (2000, 3))
    printed = read_proof(profile, intent).printed(colors)
    assert np.isfinite(printed).all()
    inks = inks_of(printed)
    assert inks.min() > -0.012
    assert inks.max() < 1.012
    red = read_proof(profile, intent).printed(np.array([255, 0, 0]))
    assert 30 < red[1] < 160
    assert red[0] > 225


def test_interpolation_is_that_of_the_entries_around():
    table = np.random.default_rng(2).uniform(0, 255, (SIDE, SIDE, SIDE, 3)).astype(np.float32)
    proof = Proof(table)
    np.testing.assert_allclose(proof.printed(np.array([[0, 5, 255], [100, 250, 15]])), table[[0, 20], [1, 50], [51, 3]])
    halfway = proof.printed(np.array([102.5, 250, 15]))
    np.testing.assert_allclose(halfway, (table[20, 50, 3] + table[21, 50, 3]) / 2, rtol=1e-6)
    assert STEP * (SIDE - 1) == 255


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_picture_is_changed_in_place(profile, dtype):
    proof, white = read_proof(profile, "relative"), np.iinfo(dtype).max
    picture = np.random.default_rng(3).integers(0, white, (9, 8, 3), dtype, endpoint=True)
    expected = proof.printed(picture * (255 / white)) * (white / 255)
    proof.apply(picture)
    np.testing.assert_allclose(picture, expected, atol=0.51 + white * 1e-6)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"hello", "a file that is none"),
        (b"", "a file that is none"),
        (printer_profile(b"scnr"), "a scanner or camera"),
        (printer_profile(b"link"), "a link between devices"),
        (icc(b"Lab ", b"XYZ ")[:12] + b"spac" + icc(b"Lab ", b"XYZ ")[16:], "got one in 'Lab'"),
        (icc(b"CMYK", b"Lab ")[:12] + b"prtr" + icc(b"CMYK", b"Lab ")[16:], "that converts colors to inks and back"),
    ],
    ids=["text", "empty", "scanner", "link", "space", "without tables"],
)
def test_other_files_are_refused(tmp_path, data, expected):
    path = tmp_path / "other.icc"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=expected) as caught:
        read_proof(path, "relative")
    assert str(caught.value).startswith("proof 'other.icc': expected the ICC profile of a printer")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ImageError, match=r"proof 'no.icc' cannot be read .*give the path of an ICC profile"):
        read_proof(tmp_path / "no.icc", "relative")
