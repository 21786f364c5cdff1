"""scripts/study_quality.py and scripts/quality_study/: methods, pairs, results, painting, comparison and sheets."""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_runs import SHALLOW, smooth

from neural_style.config.config import Config
from neural_style.errors import DivergenceError, UsageError

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

import study_quality  # noqa: E402
from quality_study import comparison, methods, painting, pairs, sheets  # noqa: E402
from quality_study.methods import Method  # noqa: E402
from quality_study.pairs import Pair  # noqa: E402
from quality_study.results import Job, Results  # noqa: E402

QUICK = {"optimizer": "adam", "iterations": 2, "tolerance": 0, "scales": "1", **SHALLOW}

METHODS = {
    "default": Method("the reference", QUICK, swept="strength"),
    "ours": Method("another", {"loss": "athalye", "initial_noiseblend": 1.0, **QUICK}),
}


@pytest.fixture
def folder(tmp_path):
    """Folder with pictures a, b and c."""
    place = tmp_path / "pictures"
    place.mkdir()
    for seed, name in enumerate(("a.png", "b.jpg", "c.png")):
        Image.fromarray(smooth(60, 48, seed)).save(place / name)
    return place


@pytest.fixture
def study(folder, tmp_path, monkeypatch, capsys):
    """Runs the script with small methods, and returns exit code, output and errors."""
    for table in (methods, study_quality):
        monkeypatch.setattr(table, "METHODS", METHODS)

    def run(*arguments, results=tmp_path / "results"):
        common = ["--pictures", folder, "--width", 48, "--weights", "builtin", "--judge", "builtin", "--device", "cpu"]
        code = study_quality.main([str(word) for word in (*common, "--results", results, *arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def job(level=1.0, method=METHODS["ours"], name="ours", **changes):
    return Job(
        name, method, level, Pair("a", "b"), method.config("a.png", "b.jpg", width=48, weights="builtin", **changes)
    )


def row(content4, evaluations=10, seconds=2.0, **measures):
    usual = {"style": 1.0, "deep": 1.0, "swd": 1.0, "grain": 1.0}
    return {
        "measures": {**usual, "content4": content4, **measures},
        "evaluations": evaluations,
        "seconds": seconds,
    }


def times(place):
    return {path.relative_to(place): path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}


# --- the study --------------------------------------------------------------------------------------------------------


def test_a_study_paints_judges_compares_and_resumes(study, tmp_path):
    results, table, sheet = tmp_path / "results", tmp_path / "table.md", tmp_path / "sheet.png"
    asked = ("--methods", "ours", "--pairs", "a+b", "b+c", "--strengths", "0.5", "--factors", "0.5", "2")
    code, out, err = study(*asked, "--table", table, "--sheet", sheet, "--cell", "60")
    assert code == 0
    assert "give more --strengths" in err.splitlines()[-1]  # one strength encloses no distance
    assert len(out.splitlines()) == 6
    names = [f"48/{place}/{pair}" for place in ("default/0.5", "ours/0.5", "ours/2") for pair in ("a+b", "b+c")]
    files = {Path(f"{name}.{kind}") for name in names for kind in ("json", "png")}
    assert set(times(results)) == files

    painted = json.loads((results / "48/ours/2/b+c.json").read_text())
    assert (painted["method"], painted["level"], painted["content"], painted["style"]) == ("ours", 2.0, "b", "c")
    assert (painted["width"], painted["height"], painted["evaluations"]) == (48, 38, 2)
    assert Image.open(results / "48/ours/2/b+c.png").size == (48, 38)
    assert [line.split("|")[1].strip() for line in table.read_text().splitlines()[2:]] == ["default", "ours"]
    assert Image.open(sheet).width == 4 * 60 + 3 * 8

    before = times(results)
    (results / "48/ours/2/b+c.json").unlink()
    (results / "48/ours/0.5/a+b.png").unlink()
    code, out, _ = study(*asked)
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines()] == ["1/2 ours x0.5 a+b", "2/2 ours x2 b+c"]
    after = times(results)
    assert {str(name) for name in before if before[name] != after[name]} == {
        f"48/ours/{name}.{kind}" for name in ("0.5/a+b", "2/b+c") for kind in ("json", "png")
    }


def test_a_result_is_judged_as_it_was_written(study, tmp_path, network, folder):
    study("--methods", "default", "--pairs", "a+b", "--strengths", "0.5")
    from neural_style.bench.judge import Judge

    place = tmp_path / "results/48/default/0.5"
    image, style, content = (
        np.array(Image.open(path)) for path in (place / "a+b.png", folder / "b.jpg", folder / "a.png")
    )
    measures = json.loads((place / "a+b.json").read_text())["measures"]
    assert measures == Judge(network).measure(image, style, content)


def test_a_method_with_other_settings_is_painted_anew(study, monkeypatch, tmp_path):
    asked = ("--methods", "ours", "--pairs", "a+b", "--strengths", "0.5")
    study(*asked)
    changed = dataclasses.replace(METHODS["ours"], changes={**QUICK, "tv_weight": 0.0, "loss": "athalye"})
    monkeypatch.setitem(METHODS, "ours", changed)
    _, out, _ = study(*asked, "--table", "--limit-seconds", "0")
    assert [line.split("|")[1].strip() for line in out.splitlines()[2:]] == ["default"]
    _, out, _ = study(*asked, "--precision", "float32")  # which is no other method
    assert [line.split(":")[0] for line in out.splitlines()] == ["1/1 ours x1 a+b"]
    assert json.loads((tmp_path / "results/48/ours/1/a+b.json").read_text())["settings"]["tv_weight"] == 0


def test_pairs_without_pictures_are_left_out_with_a_line(study):
    code, out, err = study("--methods", "default", "--strengths", "0.5", "--pairs", "a+b", "a+nowhere", "gone+nowhere")
    assert code == 0
    assert len(out.splitlines()) == 1
    assert [line.split(" in ")[0] for line in err.splitlines()] == [
        "a+nowhere: left out, since there is no picture nowhere",
        "gone+nowhere: left out, since there is no picture gone or nowhere",
    ]


def test_the_sheet_of_strengths(study, tmp_path):
    sheet = tmp_path / "strengths.jpg"
    code, out, _ = study("--strength-sheet", sheet, "--pairs", "a+b", "c+b", "--cell", "50", "--strengths", "0.5")
    assert code == 0
    assert Image.open(sheet).width == 5 * 50 + 4 * 8
    distances = {
        level: [
            json.loads((tmp_path / f"results/48/default/{level}/{pair}.json").read_text())["measures"]["content4"]
            for pair in ("a+b", "c+b")
        ]
        for level in (0, 0.5, 1)
    }
    lines = out.splitlines()[-3:]
    for line, (level, numbers) in zip(lines, distances.items(), strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[:2] == [str(level), "2"]
        assert float(cells[2]) == pytest.approx(np.mean(numbers), abs=6e-4)
        assert float(cells[-1]) == pytest.approx(np.std(numbers, ddof=1) / np.mean(numbers), abs=6e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "best"], "--methods: expected names that --list shows, got best"),
        (["--pairs", "a"], "--pairs: expected tuned, held-back, varied, open, or CONTENT+STYLE"),
        (["--pairs", "../a+b"], "--pairs: expected tuned"),
        (["--pairs", "x+y"], "--pairs: expected at least one pair whose pictures are there"),
        (["--strengths", "1", "1.5"], "--strengths: expected numbers from 0 to 1, got 1.0 1.5"),
        (["--factors", "1", "0"], "--factors: expected factors above 0, got 1.0 0.0"),
        (["--factors", "inf"], "--factors: expected factors above 0"),
        (["--cell", "0"], "--cell: expected"),
        (["--limit-seconds", "-4"], "--limit-seconds: expected a number of at least 0, got -4"),
        (["--width", "8"], "width: expected"),
        (["--sheet", "sheet.gif"], "--sheet: expected a file that ends with .jpg"),
        (["--strength-sheet", "sheet"], "--strength-sheet: expected a file that ends with .jpg"),
        (["--strength-sheet", "a.png", "--table"], "--strength-sheet: expected no --sheet and no --table"),
        (["--pairs", "a+b", "--table", "--limit-seconds", "0"], "--table: expected results of the method default"),
        (
            ["--pairs", "a+b", "--sheet", "s.png", "--limit-seconds", "0"],
            "--sheet: expected results of the method default",
        ),
        (["--weights", "nowhere.npz", "--pairs", "a+b"], "nowhere.npz"),
        (["--judge", "nowhere.npz", "--pairs", "a+b"], "nowhere.npz"),
        (["--pictures", "nowhere"], "--pictures: expected a folder, got 'nowhere'"),
    ],
)
def test_bad_input_is_answered_in_one_line(study, arguments, message):
    code, _, err = study(*arguments)
    assert code == 2
    assert err.splitlines()[-1].startswith("study_quality.py: ")
    assert message in err.splitlines()[-1]


def test_results_must_be_a_folder_and_whole(study, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = study(results=tmp_path / "file")
    assert (code, err) == (2, f"study_quality.py: --results: expected a folder, got the file '{tmp_path / 'file'}'\n")
    damaged = tmp_path / "results/48/default/0.5/a+b.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    code, _, err = study("--methods", "default", "--strengths", "0.5", "--pairs", "a+b")
    assert code == 2
    assert f"expected a result in '{damaged}'" in err


def test_results_are_asked_for():
    run = [sys.executable, SCRIPTS / "study_quality.py"]
    asked = subprocess.run(run, capture_output=True, text=True, check=False)
    assert asked.returncode == 2
    assert asked.stderr.startswith("study_quality.py: --results: expected a folder, got none")
    listed = subprocess.run([*run, "--list"], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(methods.METHODS)


# --- painting ---------------------------------------------------------------------------------------------------------


class Brush:
    """Paints at once, unless it is told to fail at a level."""

    def __init__(self, failing=(), error=DivergenceError):
        self.painted, self.failing, self.error = [], failing, error

    def paint(self, job):
        self.painted.append(job.level)
        if job.level in self.failing:
            raise self.error("no")
        return smooth(48, 38), row(1.0)


def test_the_time_limit_begins_no_picture(tmp_path):
    lines, brush, jobs = [], Brush(), [job(level) for level in (1.0, 2.0, 3.0)]
    results = Results(tmp_path)
    passed = painting.paint_all(jobs, results, lambda: brush, deadline=time.monotonic(), say=lines.append)
    assert (passed, brush.painted) == (0, [])
    assert lines == ["stopped at the time limit: 3 of 3 left; run the command again"]
    painting.paint_all(jobs, results, lambda: brush, deadline=time.monotonic() + 1000, say=lines.append)
    assert brush.painted == [1, 2, 3]


def test_pictures_that_fail_are_reported_and_tried_again(tmp_path):
    lines, jobs, results = [], [job(level) for level in (1.0, 2.0, 3.0)], Results(tmp_path)
    assert painting.paint_all(jobs, results, lambda: Brush(failing=[2.0]), say=lines.append) == 1
    assert lines[1] == "ours x2 a+b: failed: no"
    again = Brush()
    assert painting.paint_all(jobs, results, lambda: again, say=lines.append) == 0
    assert again.painted == [2]


def test_a_mistake_ends_the_study(tmp_path):
    with pytest.raises(UsageError):
        painting.paint_all([job()], Results(tmp_path), lambda: Brush([1.0], UsageError))


def test_a_level_multiplies_the_own_weight_or_is_the_value():
    from neural_style.config.resolve import resolve
    from neural_style.networks import weights

    settings = weights.load("builtin", job().config.layers).settings
    own = resolve(job().config, settings).style_weight
    unchanged = job(level=1.0)
    assert painting.leveled(unchanged) is unchanged.config
    assert painting.leveled(job(level=0.25)).style_weight == own / 4
    ours = job(method=Method("", {"loss": "balanced"}))
    assert resolve(painting.leveled(ours), settings).strength == 0.5
    fixed = dataclasses.replace(ours, level=2.0)
    assert resolve(painting.leveled(fixed), settings).strength is None
    given = job(level=2.0, method=Method("", {"style_weight": 7.0}))
    assert painting.leveled(given).style_weight == 14
    assert painting.leveled(job(level=0.75, method=METHODS["default"])).strength == 0.75


# --- methods and pairs ------------------------------------------------------------------------------------------------


def test_the_reference_is_always_there_and_first():
    assert list(methods.parse(["classic", "default", "classic"])) == ["default", "classic"]


def test_sets_of_pairs_are_varied_and_apart():
    tuned, held_back = pairs.SETS["tuned"], pairs.SETS["held-back"]
    assert len(set(tuned)) == len(set(held_back)) == 16
    assert not set(tuned) & set(held_back)
    for of_set in (tuned, held_back):
        assert len({pair.content for pair in of_set}) >= 8
        assert len({pair.style for pair in of_set}) >= 10
    assert len(set(pairs.SETS["varied"]) & set(tuned)) == 6
    assert pairs.parse(["lakeside+swirls", "tuned", "held-back"]) == list(
        dict.fromkeys([Pair("lakeside", "swirls"), *tuned, *held_back])
    )


def test_pictures_come_from_the_folder_examples_or_scikit_image(folder):
    assert pairs.find_picture("b", folder) == folder / "b.jpg"
    assert pairs.find_picture("b", None) is None
    assert pairs.find_picture("lakeside", folder).parent.name == "examples"
    (folder / "lakeside.png").write_bytes((folder / "a.png").read_bytes())
    assert pairs.find_picture("lakeside", folder) == folder / "lakeside.png"


def test_scikit_image_is_found_and_not_imported():
    pytest.importorskip("skimage")
    assert all(pairs.find_picture(name, None) for pair in pairs.SETS["open"] for name in pair)
    code = (
        f"import sys; sys.path[:0] = {[str(SCRIPTS), str(SCRIPTS.parent)]!r}; from quality_study import pairs; "
        "print(*[pairs.find_picture(name, None) for name in ('astronaut', 'chelsea', 'coffee', 'rocket')], "
        "'skimage' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [Path(path).name for path in found[:4]] == ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"]
    assert found[4] == "False"


# --- comparison -------------------------------------------------------------------------------------------------------


def test_powers_are_interpolated_exactly():
    sweep = [row(c, style=c**-2, deep=3 * c) for c in (4.0, 0.25, 1.0)]
    assert comparison.read_at(sweep, 2.0) == pytest.approx({"style": 0.25, "deep": 6, "swd": 1})


@pytest.mark.parametrize(("at", "style"), [(0.5, None), (1.0, 5), (2.0, 10**0.5), (4.0, 2), (4.1, None), (0.0, None)])
def test_nothing_is_read_outside_the_curve(at, style):
    values = comparison.read_at([row(1.0, style=5.0), row(4.0, style=2.0)], at)
    assert (values and values["style"]) == (style and pytest.approx(style))


def test_the_photo_itself_is_no_point_of_the_curve():
    assert comparison.read_at([row(0.0)], 1.0) is None
    curve = [row(0.0, style=100.0), row(0.5, style=3.0)]
    assert comparison.read_at(curve, 0.2) is None
    assert comparison.read_at(curve, 0.5)["style"] == pytest.approx(3)


def test_a_style_distance_of_0_counts_as_tiny():
    assert comparison.read_at([row(1.0, style=0.0)], 1.0)["style"] == pytest.approx(0, abs=1e-11)


def test_summary_by_hand():
    """At the method's distances, the reference has a style of 1 in the first pair; it is never as far in the second."""
    first, second, third = Pair("a", "b"), Pair("b", "c"), Pair("c", "a")
    reference = {
        first: [row(0.5, style=2.0), row(2.0, style=0.5)],
        second: [row(1.5, style=2.0)],
    }
    rows = {
        first: row(1.0, style=4.0, grain=3.0, evaluations=30, seconds=4.0),
        second: row(3.0, style=2.0),
        third: row(1.0, style=1000.0),
    }
    summary = comparison.summarize("ours", rows, reference)
    assert (summary.pairs, summary.compared) == (2, 1)
    assert summary.ratios == pytest.approx({"style": 4, "deep": 1, "swd": 1})
    assert summary.means == pytest.approx({"content4": 2, "grain": 2, "evaluations": 20, "seconds": 3})
    assert comparison.summarize("ours", {third: rows[third]}, reference) is None
    nowhere = comparison.summarize("far", {second: rows[second]}, reference)
    assert comparison.table([summary, nowhere]) == (
        "| method | pairs compared | style | deep | swd | content4 | grain | evaluations | seconds |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
        "| ours | 1 of 2 | 4.00 | 1.00 | 1.00 | 2.00 | 2.00 | 20 | 3.0 |\n"
        "| far | 0 of 1 | – | – | – | 3.00 | 1.00 | 10 | 2.0 |\n"
    )


def test_ratios_are_those_of_means():
    reference = {Pair("a", "b"): [row(1.0, swd=1.0)], Pair("b", "c"): [row(2.0, swd=3.0)]}
    rows = {Pair("a", "b"): row(1.0, swd=4.0), Pair("b", "c"): row(2.0, swd=2.0)}
    assert comparison.summarize("ours", rows, reference).ratios["swd"] == pytest.approx(6 / 4)


def test_the_reference_compared_with_itself_is_1():
    curves = {Pair("a", "b"): [row(0.7, style=3.0), row(1.0)], Pair("b", "c"): [row(1.9, style=0.2), row(3.0)]}
    summary = comparison.summarize("default", {pair: curve[0] for pair, curve in curves.items()}, curves)
    assert summary.ratios == pytest.approx(dict.fromkeys(comparison.RATIOS, 1))
    assert summary.compared == 2


def test_of_several_levels_the_one_nearest_the_usual_distance_counts():
    default = {level: job(level, METHODS["default"], "default") for level in (0.25, 0.5)}
    ours = {level: job(level) for level in (1.0, 2.0)}
    rows = {default[0.25]: row(0.1), default[0.5]: row(0.9), ours[1.0]: row(0.2), ours[2.0]: row(1.2)}
    chosen = study_quality.comparable(rows)
    assert chosen == {"default": {Pair("a", "b"): default[0.5]}, "ours": {Pair("a", "b"): ours[2.0]}}


def test_pairs_that_the_reference_lacks_are_left_out():
    default, ours = job(0.5, METHODS["default"], "default"), job()
    other = dataclasses.replace(job(), pair=Pair("b", "c"))
    chosen = study_quality.comparable({default: row(0.9), ours: row(0.2), other: row(1.0)})
    assert chosen == {"default": {Pair("a", "b"): default}, "ours": {Pair("a", "b"): ours}}


def test_a_sheet_shows_the_pairs_of_the_table(study, tmp_path):
    results, sheet = tmp_path / "results", tmp_path / "sheet.png"
    asked = ("--methods", "ours", "--pairs", "a+b", "b+c", "--strengths", "0.5", "--cell", "60", "--sheet", sheet)
    study(*asked)
    both = Image.open(sheet).height
    (results / "48/default/0.5/b+c.json").unlink()
    study(*asked, "--limit-seconds", "0")
    assert Image.open(sheet).height < 0.7 * both


def test_spread_by_hand():
    assert comparison.spread_of([1.0, 2.0, 3.0]) == comparison.Spread(2, 1, 3, 0.5)
    assert comparison.spread_of([2.0]).variation is None
    assert comparison.spread_of([0.0, 0.0]).variation is None
    assert comparison.spread_table({0.5: [row(1.0), row(3.0)], 0.0: [row(0.0), row(0.0)]}).splitlines()[2:] == [
        "| 0 | 2 | 0.000 | 0.000 | 0.000 | – |",
        "| 0.5 | 2 | 2.000 | 1.000 | 3.000 | 0.707 |",
    ]


def test_the_nearest_picture_is_nearest_by_ratio():
    rows = {"far": row(4.0), "near": row(0.5), "middle": row(1.0)}
    assert comparison.nearest(rows, 1.9) == "middle"
    assert comparison.nearest(rows, 2.1) == "far"
    assert comparison.nearest({"photo": row(0.0), "far": row(4.0)}, 0.1) == "far"
    assert comparison.usual_distance({0.25: row(0.3), 0.65: row(1.1)}, 0.5) == 1.1


# --- sheets -----------------------------------------------------------------------------------------------------------


def test_a_sheet_has_its_pictures_in_rows_and_columns(tmp_path):
    cells = {}
    for name, color, size in (("red", (255, 0, 0), (40, 20)), ("blue", (0, 0, 255), (80, 80))):
        Image.new("RGB", size, color).save(tmp_path / f"{name}.png")
        cells[name] = sheets.Cell(tmp_path / f"{name}.png", "a caption that is far too long for one cell")
    sheet = sheets.draw(
        ["left", "right"], [{"left": cells["red"], "right": cells["blue"]}, {"right": cells["red"]}], 40
    )
    assert sheet.size == (88, 18 + 40 + 26 + 20 + 26)
    assert sheet.getpixel((20, 28)) == (255, 0, 0)
    assert sheet.getpixel((68, 57)) == (0, 0, 255)
    assert sheet.getpixel((68, 94)) == (255, 0, 0)
    shown = np.asarray(sheet)
    assert (shown[:, 40:48] == 255).all()  # no caption reaches the next column
    assert (shown[84:104, :40] == 255).all()  # nothing is in the first cell of the second row
    assert (shown[18 + 20 : 18 + 40, :40] < 128).any()  # a caption stands right below its picture


def test_settings_of_a_result_leave_out_what_makes_no_other_method():
    settings = job(precision="float32", device="cpu").settings
    assert settings == job().settings
    assert settings["iterations"] == 2
    assert settings["style_layers"] == list(SHALLOW["style_layers"])
    assert not {"content", "styles", "weights"} & set(settings)
    assert isinstance(job().config, Config)


@pytest.mark.parametrize("name", methods.METHODS)
def test_every_method_is_a_configuration(name):
    method = methods.METHODS[name]
    config = method.config("a.png", "b.png", width=256, weights="builtin")
    assert config.width == 256
    assert hasattr(config, method.swept)
    for option, value in method.changes.items():
        assert getattr(config, option) == value
    assert Results(Path()).picture_path(Job(name, method, 1.0, Pair("a", "b"), config)).parts[:2] == ("256", name)
