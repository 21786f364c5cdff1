import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import RUN, TINY, tree

from neural_style.cli import main as cli
from neural_style.networks import weights


def rerun(flagfile, *arguments):
    assert cli.main([f"--flagfile={flagfile}", *arguments]) == 0


def test_saved_flags_give_the_identical_file_under_another_name(folder):
    options = ["--output=a.png", "--save_flags=run.cfg", "--style-scales=1.25", "--preserve-colors", "--seed=3"]
    assert cli.main([*RUN, *options]) == 0
    rerun("run.cfg", "--output=b.png")
    assert Path("b.png").read_bytes() == Path("a.png").read_bytes()


def test_saved_flags_give_the_identical_file_under_its_default_name(folder):
    assert cli.main([*RUN, "--save_flags=run.cfg"]) == 0
    rerun("run.cfg")
    assert Path("photo-style-2.png").read_bytes() == Path("photo-style.png").read_bytes()


def test_saved_flags_with_overwrite_give_the_identical_file_in_its_place(folder):
    assert cli.main([*RUN, "--output=a.png", "--overwrite", "--save_flags=run.cfg", "--optimizer=lbfgs"]) == 0
    first = Path("a.png").read_bytes()
    Path("a.png").write_bytes(b"gone")
    rerun("run.cfg")
    assert Path("a.png").read_bytes() == first


def test_saved_flags_of_a_run_that_needs_no_network_can_be_changed_to_need_one(folder):
    assert cli.main([*RUN, "--content_weight=0", "--style_weight=0", "--output=a.png", "--save_flags=run.cfg"]) == 0
    rerun("run.cfg", "--output=b.png", "--style_weight=500")


def test_saved_flags_save_the_same_flags_again(folder):
    assert cli.main([*RUN, "--output=a.png", "--save_flags=1.cfg"]) == 0
    rerun("1.cfg", "--output=b.png", "--save_flags=2.cfg")
    assert Path("2.cfg").read_text() == Path("1.cfg").read_text().replace("a.png", "b.png")


def test_saved_flags_work_from_another_folder_nested_and_with_comments(folder, tmp_path_factory, monkeypatch):
    assert cli.main([*RUN, "--output=sub/a.png", "--initial=other.jpg", "--save_flags=sub/run.cfg"]) == 0
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    lines = [f"{line}   # as before" for line in (folder / "sub" / "run.cfg").read_text().splitlines()]
    (elsewhere / "inner.cfg").write_text("# a run\n\n" + "\n".join(lines) + "\n")
    (elsewhere / "outer.cfg").write_text("--flagfile inner.cfg // not a comment here\n".partition(" //")[0] + "\n")
    monkeypatch.chdir(elsewhere)
    rerun("outer.cfg", "--output=b.png")
    assert Path("b.png").read_bytes() == (folder / "sub" / "a.png").read_bytes()


@pytest.mark.parametrize("name", ["my photo", "photo #1", "#1", 'a "b" c', "it's", "ph=o to"])
def test_saved_flags_hold_odd_names(name, folder):
    Path(name).mkdir()
    for picture in ("photo.png", "style.png"):
        shutil.copy(picture, Path(name, f"{name} {picture}"))
    pictures = ["--content", f"{name}/{name} photo.png", "--styles", f"{name}/{name} style.png", "other.jpg"]
    flagfile = f"{name}/{name}.cfg"
    assert cli.main([*pictures, *TINY, "--iterations=1", f"--output={name}/a #1.png", f"--save_flags={flagfile}"]) == 0
    rerun(flagfile, f"--output={name}/b.png")
    assert Path(name, "b.png").read_bytes() == Path(name, "a #1.png").read_bytes()


def test_saved_flags_find_weights_of_a_relative_path_from_another_folder(folder, tmp_path_factory, monkeypatch):
    rng = np.random.default_rng(0)
    arrays = {"channel_order": "RGB", "mean": np.full(3, 120.0)}
    for index, shape in ((1, (3, 3, 3, 64)), (2, (3, 3, 64, 64))):
        arrays[f"block1_conv{index}/kernel"] = rng.normal(size=shape, scale=0.1).astype(np.float32)
        arrays[f"block1_conv{index}/bias"] = np.zeros(64, np.float32)
    np.savez(folder / "net.npz", **arrays)
    assert cli.main([*RUN, "--weights=net.npz", "--output=a.png", "--save_flags=run.cfg"]) == 0
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    rerun(folder / "run.cfg", "--output=b.png")
    assert Path("b.png").read_bytes() == (folder / "a.png").read_bytes()


def test_saved_flags_refuse_weights_of_another_hash(folder, capsys):
    assert cli.main([*RUN, "--output=a.png", "--save_flags=run.cfg"]) == 0
    capsys.readouterr()
    digest = weights.builtin_entry().digest
    Path("run.cfg").write_text(Path("run.cfg").read_text().replace(digest, "0" * 64))
    before = tree(folder)
    assert cli.main(["--flagfile=run.cfg", "--output=b.png"]) == 2
    said = rf"error: --weights: builtin: expected weights of sha256 {'0' * 64}, \w+ sha256 {digest} in this version;"
    assert re.search(said, capsys.readouterr().err)
    assert tree(folder) == before


SHALLOW = [
    "--weights=builtin",
    "--style_layers=relu1_1",
    "--precision=float32",
    "--iterations=2",
    "--scale_iterations=1",
]


def test_a_seamless_texture_is_repeated_to_the_byte(folder, capsys):
    run = [*SHALLOW, "--styles=style.png", "--size=96×96", "--seamless", "--save_flags=run.cfg"]
    assert cli.main(run) == 0
    captured = capsys.readouterr()
    assert "making a seamless texture in the style of style.png: 96×96 px" in captured.err
    assert "texture-style.png (96×96 px" in captured.out
    assert not re.search("content_weight|strength|photo_details", (folder / "run.cfg").read_text("utf-8"))
    assert cli.main(["--flagfile=run.cfg", "--output=again.png"]) == 0
    assert (folder / "again.png").read_bytes() == (folder / "texture-style.png").read_bytes()


def test_a_reconstruction_is_repeated_to_the_byte(folder, capsys):
    run = ["--weights=builtin", "--content=photo.png", "--style_weight=0", "--content_layers=relu1_1", "--iterations=2"]
    assert cli.main([*run, "--precision=float32", "--save_flags=run.cfg"]) == 0
    assert "rebuilding photo.png from relu1_1: " in capsys.readouterr().err
    assert cli.main(["--flagfile=run.cfg", "--output=again.png"]) == 0
    assert (folder / "again.png").read_bytes() == (folder / "photo-relu1_1.png").read_bytes()
