import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import neural_style

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the sources, so that the checkout stays clean."""
    pytest.importorskip("build")
    source, out = tmp_path_factory.mktemp("source") / "project", tmp_path_factory.mktemp("wheel")
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("neural_style", "weights"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.h5", "*.mat"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Runs Python with the wheel alone on its path, outside of the checkout."""
    target = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)

    def run(*arguments, cwd):
        environment = {**os.environ, "PYTHONPATH": str(target)}
        command = [sys.executable, "-P", *arguments]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)

    return run


def test_wheel_holds_the_program_and_the_registry_and_no_more(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    modules = {f"neural_style/{path.name}" for path in (ROOT / "neural_style").glob("*.py")}
    ours = {name for name in names if ".dist-info/" not in name}
    assert ours == modules | {"neural_style/registry/registry.json", "neural_style/registry/builtin.npz"}


def test_wheel_has_the_console_script_and_the_extras(wheel):
    with zipfile.ZipFile(wheel) as archive:
        info = f"neural_style-{neural_style.__version__}.dist-info"
        assert "neural-style = neural_style.cli.main:main" in archive.read(f"{info}/entry_points.txt").decode()
        metadata = archive.read(f"{info}/METADATA").decode()
    assert "License: Apache-2.0" in metadata
    for requirement in (
        *("absl-py>=", "h5py>=", "imagecodecs>=", "numpy>=", "pillow>=", "scipy>=", "tensorflow>=", "tifffile>="),
        "tqdm>=",
    ):
        assert f"Requires-Dist: {requirement}" in metadata
    assert 'Requires-Dist: tensorflow[and-cuda]>=2.17; extra == "gpu"' in metadata


def test_installed_wheel_paints_outside_the_checkout(installed, pictures, tmp_path):
    result = installed("-m", "neural_style", "--version", cwd=tmp_path)
    assert result.stdout == f"neural-style {neural_style.__version__}\n"
    arguments = ["--content", pictures / "photo.png", "--styles", pictures / "style.png", "--weights=builtin"]
    small = ["--content_layers=relu1_2", "--style_layers=relu1_1", "--iterations=2", "--output=a/b.png"]
    result = installed("-m", "neural_style", *map(str, arguments), *small, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "a" / "b.png").is_file()


def test_installed_wheel_finds_its_registry(installed, tmp_path):
    code = "import json; from neural_style import weights; print(json.dumps([e.file for e in weights.imagenet_entries()]))"
    result = installed("-c", code, cwd=tmp_path)
    entries = json.loads((ROOT / "weights" / "registry.json").read_text(encoding="utf-8"))["entries"]
    assert json.loads(result.stdout) == [entry["file"] for entry in entries]
