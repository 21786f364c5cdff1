import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from command_line import TINY, new_files, size, tree
from PIL import Image

from neural_style.cli import flags, signals
from neural_style.cli import main as cli
from neural_style.config.resolve import resolve
from neural_style.errors import DivergenceError
from neural_style.runs.session import Session
from neural_style.sheets import figure

FAST = [*TINY, "--iterations=2", "--optimizer=adam", "--scales=1", "--width=48"]
PLAIN = ["--weights=builtin", "--style-layers=relu1_1", "--precision=float32"]
PAIR = ["--content=photo.png", "--styles=style.png", *FAST]
SWEEP = ["sweep", *PAIR, "--output=sheet.png"]


def contents():
    """Every file in the current folder with its bytes."""
    return {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")}


def refused(capsys, arguments):
    """The message of a command that writes nothing."""
    before = contents()
    assert cli.main(arguments) == 2
    assert contents() == before
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("neural_style: error: ")
    return line


def test_each_cell_is_repeated_by_its_flag_file_to_the_byte(folder):
    varied = ["--vary", "style_weight=100,5e4", "--vary=pooling=max,avg"]
    assert cli.main([*SWEEP, *varied]) == 0
    pictures = [Path(f"sheet/cell-0{number}.png").read_bytes() for number in range(1, 5)]
    assert len({*pictures}) == 4
    for number, expected in enumerate(pictures, start=1):
        assert cli.main([f"--flagfile=sheet/cell-0{number}.cfg", "--output=again.png", "--overwrite"]) == 0
        assert Path("again.png").read_bytes() == expected


def test_cells_equal_command_lines_of_the_same_flags_and_quality(folder):
    assert cli.main([*SWEEP, "--vary", "seed=1,2", "--init=noise", "--quality=normal"]) == 0
    assert cli.main([*PAIR, "--init=noise", "--seed=2", "--output=alone.png"]) == 0
    with Image.open("sheet/cell-02.png") as cell, Image.open("alone.png") as alone:
        np.testing.assert_array_equal(np.asarray(cell), np.asarray(alone))


def test_a_sheet_is_a_picture_a_page_and_a_folder(folder, capsys):
    before = tree(folder)
    assert cli.main([*SWEEP, "--vary", "pooling=max,avg", "seed=1,2"]) == 0
    cells = {f"sheet/cell-0{number}.{kind}" for number in range(1, 5) for kind in ("png", "cfg")}
    assert new_files(folder, before) == {"sheet", "sheet.png", "sheet.html", *cells}
    captured = capsys.readouterr()
    assert captured.out.startswith("wrote sheet.png, sheet.html and the cells in sheet")
    assert len(re.findall(r"cell \d \(\d of 4 done\): --pooling \w+ --seed \d: 2 iterations", captured.err)) == 4
    assert captured.err.count(" left") == 3
    assert size("sheet/cell-01.png")[0] == 48


def test_the_default_names_are_free_ones(folder):
    sweep = ["sweep", *PAIR, "--vary=seed=1,2", "--init=noise"]
    assert cli.main(sweep) == 0
    before = tree(folder)
    assert cli.main(sweep) == 0
    assert Path("photo-style-sweep.png").exists()
    new = new_files(folder, before)
    assert {"photo-style-sweep-2.png", "photo-style-sweep-2.html", "photo-style-sweep-2"} <= new
    assert {name: tree(folder)[name] for name in before} == before


def test_the_page_needs_nothing_else_and_its_commands_run(folder):
    Path("photo.png").rename('p "<b>&.png')
    arguments = ["sweep", '--content=p "<b>&.png', *PAIR[1:], "--output=s.png", "--vary=pooling=max,avg"]
    assert cli.main(arguments) == 0
    page = Path("s.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    assert not re.search(r"https?://|<link|@import|src=\"(?!data:)", page)
    assert page.count("data:image/jpeg;base64,") == 2
    command = re.findall(r"<code>(.*?)</code>", page)[1]
    assert command == "python -m neural_style --flagfile s/cell-02.cfg --width=1024 --quality normal --iterations 2"
    config = flags.parse(command.split()[3:])
    assert (config.pooling, config.width, config.quality) == ("avg", 1024, "normal")


def test_full_runs_of_presets_have_the_presets_own_length(folder):
    base = [each for each in PAIR if not each.startswith(("--iterations", "--optimizer"))]
    assert cli.main(["sweep", *base, "--output=s.png", "--vary=preset=athalye,gatys", "--tolerance=0.9"]) == 0
    page = Path("s.html").read_text(encoding="utf-8")
    for preset, command in zip(("athalye", "gatys"), re.findall(r"<code>(.*?)</code>", page), strict=True):
        wanted = flags.parse([*base, "--tolerance=0.9", f"--preset={preset}", "--width=1024"])
        config = flags.parse(command.split()[3:])
        for name in ("iterations", "optimizer", "tolerance"):
            assert getattr(resolve(wanted), name) == getattr(resolve(config), name), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"expected --vary NAME=V1,V2,\.\.\., got none"),
        (["--vary=flurb=1,2"], r"unknown option 'flurb'"),
        (["--vary=style-wieght=1,2"], r"did you mean --style_weight\?"),
        (["--vary=pooling=avg"], r"--vary pooling: expected several values, got avg alone"),
        (["--vary=pooling"], r"expected NAME=V1,V2,\.\.\., got 'pooling'"),
        (["--vary", "seed=1,", "2"], r"--vary seed: expected values with a comma between them, got '1,'"),
        (["--vary=pooling=max,max"], r"got --pooling max and --pooling max, which are the same run"),
        (["--vary=style_weight=100,1e2"], r"the same run"),
        (["--vary=pooling=max,min"], r"--pooling: expected one of max, avg, l2, got 'min'"),
        (["--vary=style_weight=1,-5"], r"--style_weight: expected .* \(in the cell --style_weight -5\)"),
        (["--vary=output=a.png,b.png"], r"expected an option that affects the picture"),
        (["--vary=overwrite=true,false"], r"expected an option that affects the picture"),
        (["--vary=print-iterations=1,2"], r"expected an option that affects the picture"),
        (["--vary=memory=1GB,2GB"], r"expected an option that affects the picture"),
        (["--vary=preset=gatys,flurb"], r"--preset: expected one of"),
        (["--vary=styles=style.png,nowhere.png"], r"nowhere\.png.* \(in the cell --styles nowhere\.png\)"),
        (["--vary=pooling=max,avg", "--save-flags=a.cfg"], r"--save_flags: expected flags that affect the picture"),
        (["--vary=pooling=max,avg", "--output=photo.png", "--overwrite"], r"files to work from"),
        (["--vary=pooling=max,avg", "--output=sheet.txt"], r"--output: expected a name that ends in one of"),
        (["--vary=pooling=max,avg", "--output=sheet"], r"--output: expected a name that ends in"),
    ],
)
def test_wrong_input_is_refused_in_one_line(folder, capsys, arguments, message):
    assert re.search(message, refused(capsys, ["sweep", *PAIR, *arguments]))


@pytest.mark.parametrize("name", ["sheet.png", "sheet.html", "sheet/cell-02.png", "sheet/cell-02.cfg"])
def test_nothing_is_overwritten_unless_asked(folder, capsys, name):
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(b"mine")
    varied = [*SWEEP, "--vary=seed=1,2", "--init=noise"]
    assert re.search(r"exists; give --overwrite", refused(capsys, varied))
    assert cli.main([*varied, "--overwrite"]) == 0
    assert Path(name).read_bytes() != b"mine"


def test_errors_come_without_tensorflow(folder):
    script = (
        "import sys; from neural_style.cli import main as cli\n"
        f"assert cli.main(['sweep', *{PAIR!r}, '--vary=styles=style.png,nowhere.png']) == 2\n"
        "assert 'tensorflow' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == 0


def test_values_may_have_commas_and_spaces(folder):
    for name in ("a, b.png", "c d.png"):
        Path(name).write_bytes(Path("style.png").read_bytes())
    Image.open("other.jpg").save("c d.png")
    for varied in (["--vary", 'styles="a, b.png",c d.png'], ["--vary", "styles=a, b.png", "--vary=styles=c d.png"]):
        assert cli.main(["sweep", "--content=photo.png", *FAST, "--output=s.png", "--overwrite", *varied]) == 0
        assert len([*Path("s").glob("cell-*.png")]) == 2
        assert "a, b.png" in Path("s/cell-01.cfg").read_text(encoding="utf-8")
        assert "c d.png" in Path("s/cell-02.cfg").read_text(encoding="utf-8")


def test_a_failed_cell_does_not_lose_the_others(folder, capsys, monkeypatch):
    real = Session._next_evaluation

    def failing(session):
        if session.config.pooling == "avg":
            raise DivergenceError("none left")
        return real(session)

    monkeypatch.setattr(Session, "_next_evaluation", failing)
    assert cli.main([*SWEEP, "--vary=pooling=max,avg,l2"]) == 1
    assert Path("sheet.png").exists()
    assert {path.name for path in Path("sheet").iterdir()} == {
        f"cell-0{number}.{kind}" for number in (1, 3) for kind in ("png", "cfg")
    }
    assert "failed: none left" in Path("sheet.html").read_text(encoding="utf-8")
    assert "1 of 3 cells failed: 2" in capsys.readouterr().err


def test_a_signal_leaves_the_sheet_of_what_is_painted(folder, capsys, monkeypatch):
    from neural_style.cli import contact_sheets

    real = contact_sheets.Files.write_cell

    def interrupted(files, painted):
        if threading.current_thread() is threading.main_thread() and [*Path().glob("sheet/cell-*.png")]:
            raise signals.Interrupted(2)
        real(files, painted)

    monkeypatch.setattr(contact_sheets.Files, "write_cell", interrupted)
    assert cli.main([*SWEEP, "--vary=seed=1,2,3,4", "--init=noise"]) == 130
    assert len([*Path("sheet").glob("cell-*.png")]) == 1
    assert Path("sheet.png").exists()
    assert Path("sheet.html").read_text(encoding="utf-8").count("not painted") == 3


def test_a_sheet_of_a_folder_of_styles(folder):
    Path("styles").mkdir()
    Path("styles/notes.txt").write_text("no picture")
    for name in ("style.png", "other.jpg"):
        Path(name).rename(Path("styles", name))
    arguments = ["sheet", "--content", "photo.png", "--styles", "styles", *FAST, "--output=s.png"]
    assert cli.main(arguments) == 0
    assert [flags.parse([f"--flagfile=s/cell-0{n}.cfg"]).styles[0].split(os.sep)[-1] for n in (1, 2)] == [
        "other.jpg",
        "style.png",
    ]
    assert Path("s.html").read_text(encoding="utf-8").count("data:image/jpeg;base64,") == 4  # with the styles


def test_a_sheet_of_several_photos_has_a_row_for_each(folder):
    arguments = ["sheet", "--content", "photo.png", "other.jpg", "--styles=style.png", "--styles=other.jpg", *FAST]
    assert cli.main([*arguments, "--output=s.png"]) == 0
    page = Path("s.html").read_text(encoding="utf-8")
    assert page.count('class="head"') == 5  # the corner, two columns and two rows
    assert len([*Path("s").glob("cell-*.png")]) == 4


def test_a_sheet_refuses_what_it_cannot_use(folder, capsys):
    Path("empty").mkdir()
    assert "expected pictures" in refused(capsys, ["sheet", "--content=photo.png", "--styles=empty", *FAST])
    twice = ["sheet", "--content=photo.png", "--styles", "style.png", "style.png", *FAST]
    assert "expected each picture once" in refused(capsys, twice)
    assert "expected --styles" in refused(capsys, ["sheet", "--content=photo.png", *FAST])


def test_the_figure_has_a_cell_for_each_layer():
    cells = figure.cells_of_figure({"content": "photo.png", "styles": ["style.png"]})
    contents = [f"content of relu{layer}" for layer in ("1_2", "2_2", "3_2", "4_2", "5_2")]
    styles = ["style of relu1_1", *(f"style of relu1_1 to relu{block}_1" for block in (2, 3, 4, 5))]
    assert [cell.label for cell in cells] == contents + styles
    assert [len(cell.config.style_layers) for cell in cells[5:]] == [1, 2, 3, 4, 5]
    assert {cell.config.content_weight for cell in cells[5:]} == {cell.config.style_weight for cell in cells[:5]} == {0}


def test_the_figure_shows_each_cell(folder, monkeypatch):
    """Of two layers each."""
    monkeypatch.setattr(figure, "CONTENT_LAYERS", figure.CONTENT_LAYERS[:2])
    monkeypatch.setattr(figure, "STYLE_LAYERS", figure.STYLE_LAYERS[:2])
    few = ["--weights=builtin", "--iterations=1", "--width=48", "--precision=float32"]
    assert cli.main(["figure", "--content=photo.png", "--styles=style.png", *few, "--output=f.png"]) == 0
    page = Path("f.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 4 + 2
    for text in ("content of relu1_2", "content of relu2_2", "style of relu1_1<", "style of relu1_1 to relu2_1"):
        assert text in page
    config = flags.parse(["--flagfile=f/cell-04.cfg"])
    assert (config.content_weight, len(config.style_layers), config.quality) == (0, 2, "normal")


def test_the_figure_refuses_what_it_decides(folder, capsys):
    figure = ["figure", "--content=photo.png", "--styles=style.png", "--weights=builtin"]
    assert "--style_weight: expected nothing" in refused(capsys, [*figure, "--style-weight=5"])
    assert "expected one painting" in refused(capsys, [*figure, "--styles=other.jpg"])


def test_the_flag_file_of_a_cell_can_be_varied_again(folder):
    assert cli.main([*SWEEP, "--vary", "seed=1,2"]) == 0
    again = ["sweep", "--flagfile=sheet/cell-01.cfg", "--vary", "seed=3,4", "--output=again.png"]
    assert cli.main(again) == 0
    assert Path("again/cell-02.png").exists()


@pytest.mark.parametrize(
    ("varied", "said"),
    [
        ("strength=", "expected values with a comma between them"),
        ("style_weight=0,100", "styles: expected none beside --style_weight 0"),
    ],
)
def test_values_that_make_no_cell_are_refused(folder, capsys, varied, said):
    assert said in refused(capsys, [*SWEEP, "--vary", varied])


def test_standard_input_is_refused(folder, capsys):
    said = refused(capsys, ["sweep", "--content=-", "--styles=style.png", *FAST, "--vary=seed=1,2"])
    assert "expected pictures with names" in said


def test_textures_can_be_varied(folder):
    texture = ["--size=48x48", "--styles=style.png", *PLAIN, "--iterations=1", "--scales=1"]
    assert cli.main(["sweep", *texture, "--vary=seed=1,2", "--output=sheet.png"]) == 0
    assert "--size=1008x1008" in Path("sheet.html").read_text(encoding="utf-8")
