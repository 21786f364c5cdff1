import pytest
from PIL import Image

from neural_style.sheets.layout import Heading, Sheet, Tile, draw, fitted, wrapped


def tiles(count, size=(120, 80), **changes):
    return [Tile(f"tile {number}", Image.new("RGB", size, (200, 30, 60)), **changes) for number in range(count)]


@pytest.mark.parametrize(("count", "rows"), [(1, [1]), (4, [4]), (5, [3, 2]), (12, [4, 4, 4]), (200, [12] * 16 + [8])])
def test_tiles_are_wrapped_into_rows(count, rows):
    assert [len(row) for row in wrapped(tiles(count))] == rows


def test_every_picture_is_on_the_sheet_in_full():
    sheet = draw(Sheet("title", wrapped(tiles(5))))
    colors = dict((color, count) for count, color in sheet.getcolors(sheet.width * sheet.height))
    assert colors[200, 30, 60] == 5 * 120 * 80


def test_a_grid_has_room_for_its_headings():
    rows = [tiles(3), tiles(3)]
    heads = [Heading("a heading", Image.new("RGB", (90, 60), "blue"))] * 3
    plain, headed = draw(Sheet("t", rows)), draw(Sheet("t", rows, heads, heads[:2]))
    assert headed.width > plain.width
    assert headed.height > plain.height
    colors = dict((color, count) for count, color in headed.getcolors(headed.width * headed.height))
    assert colors[0, 0, 255] == 5 * 90 * 60


def test_long_labels_and_any_letters_fit():
    label = "x" * 500 + " " + "été 鳥 \udce9" + " word" * 100
    long = draw(Sheet(label, [[Tile(label, Image.new("RGB", (120, 80)))]], notes=[label]))
    short = draw(Sheet("a", [[Tile("a", Image.new("RGB", (120, 80)))]]))
    assert long.width == short.width
    assert long.height < short.height + 200


def test_a_missing_picture_is_marked():
    missing = draw(Sheet("t", [[*tiles(1), Tile("second", missing="failed: no memory")]]))
    absent = draw(Sheet("t", [[*tiles(1), Tile("second")]]))
    assert missing.size == absent.size
    assert missing.getpixel((150, 100)) != absent.getpixel((150, 100))


def test_fitted_pictures_are_never_enlarged_and_lie_on_white():
    assert fitted(Image.new("RGB", (40, 20)), 100, 100).size == (40, 20)
    assert fitted(Image.new("RGB", (400, 200)), 100, 100).size == (100, 50)
    assert fitted(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), 9, 9).getpixel((0, 0)) == (255, 255, 255)
