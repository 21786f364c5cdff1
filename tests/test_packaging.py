import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import neural_style
from neural_style.config import presets

ROOT = Path(__file__).resolve().parents[1]
DATA = {
    *{"neural_style/registry/registry.json", "neural_style/registry/builtin.npz"},
    *{"neural_style/examples/lakeside.jpg", "neural_style/examples/swirls.jpg"},
    *(f"neural_style/presets/{name}.flags" for name in presets.names()),
    "neural_style/web/page.css",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the sources, so that the checkout stays clean."""
    pytest.importorskip("build")
    source, out = tmp_path_factory.mktemp("source") / "project", tmp_path_factory.mktemp("wheel")
    source.mkdir()
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("neural_style", "weights", "examples"):
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
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)

    run.target = target
    return run


@pytest.fixture(scope="module")
def requirements(wheel):
    """Requirement without its version -> where it is required: "" or the name of an extra."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"neural_style-{neural_style.__version__}.dist-info/METADATA").decode()
    markers = r"(?:; python_version [<>=]+ \"[\d.]+\")?(?:; extra == \"(\w+)\")?"
    lines = re.findall(rf"^Requires-Dist: ([\w\[\],-]+)[^;\n]*{markers}$", metadata, re.MULTILINE)
    assert len(lines) == metadata.count("Requires-Dist:")
    return lines


def test_wheel_holds_the_program_its_data_and_no_more(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "neural_style").rglob("*.py")}
    assert {name for name in names if ".dist-info/" not in name} == modules | DATA
    assert wheel.stat().st_size < 9e6


def test_wheel_has_the_console_script(wheel):
    with zipfile.ZipFile(wheel) as archive:
        info = f"neural_style-{neural_style.__version__}.dist-info"
        assert "neural-style = neural_style.cli.main:main" in archive.read(f"{info}/entry_points.txt").decode()
        assert "License: Apache-2.0" in archive.read(f"{info}/METADATA").decode()


def test_optional_parts_are_extras(requirements):
    extras = {"matplotlib": "plot", "imagecodecs": "deep", "pillow-heif": "heic", "pillow-jxl-plugin": "jxl"}
    for name, extra in {**extras, "tensorflow[and-cuda]": "gpu"}.items():
        assert [of for required, of in requirements if required == name] == [extra]
    assert {"tensorflow", "numpy", "pillow", "platformdirs", "filelock"} <= {
        name for name, extra in requirements if not extra
    }


def test_developers_get_all_extras_but_those_for_gpus_and_fuzzing(requirements):
    (ours,) = (name for name, extra in requirements if name.startswith("neural-style["))
    extras = {extra for _, extra in requirements}
    assert set(ours.partition("[")[2].strip("]").split(",")) == extras - {"", "dev", "gpu", "fuzz"}


def test_the_lowest_version_of_everything_is_named():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    for lines in (settings["options"]["install_requires"], *settings["options.extras_require"].values()):
        for line in lines.strip().splitlines():
            assert re.search(r" (>=|~=) \d", line) or line.startswith("neural-style["), line


@pytest.mark.slow
def test_installed_wheel_paints_outside_the_checkout(installed, pictures, tmp_path):
    result = installed("-m", "neural_style", "--version", cwd=tmp_path)
    assert result.stdout == f"neural-style {neural_style.__version__}\n"
    arguments = ["--content", pictures / "photo.png", "--styles", pictures / "style.png", "--weights=builtin"]
    small = ["--content_layers=relu1_2", "--style_layers=relu1_1", "--iterations=2", "--output=a/b.png"]
    result = installed("-m", "neural_style", *arguments, *small, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "a" / "b.png").is_file()


def test_installed_wheel_finds_its_presets(installed, tmp_path):
    result = installed("-m", "neural_style", "--preset", "help", cwd=tmp_path)
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(presets.names())


def test_installed_wheel_finds_its_registry(installed, tmp_path):
    result = installed("-m", "neural_style", "weights", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    entries = json.loads((ROOT / "weights" / "registry.json").read_text(encoding="utf-8"))["entries"]
    names = [entry["name"] for entry in entries if "name" in entry]
    assert names
    assert all(name in result.stdout for name in names)


def test_installed_wheel_finds_the_pictures_of_the_benchmark(installed, tmp_path):
    code = "from neural_style.bench.options import parse; print(parse([]).content, parse([]).style, sep='\\n')"
    result = installed("-c", code, cwd=tmp_path)
    folder = installed.target / "neural_style" / "examples"
    assert [Path(line) for line in result.stdout.splitlines()] == [folder / "lakeside.jpg", folder / "swirls.jpg"]
