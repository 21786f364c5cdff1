"""The notebook of the examples, run as Jupyter runs it."""

import base64
import io
import json
import os
import re
import shutil
from pathlib import Path

import nbformat
import psutil
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"

QUICK = """
width = 64
options = {
    **{"weights": "builtin", "precision": "float32", "device": "cpu", "iterations": 2, "scales": 1, "tolerance": 0},
    **{"content_layers": ["relu1_1"], "style_layers": ["relu1_1"]},
}
"""


def cells_by_id(notebook):
    return {cell["id"]: cell for cell in notebook.cells}


def pictures_in(cell):
    """The pictures that a cell shows, in order."""
    found = []
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            found.append(base64.b64decode(data["image/png"]))
        found += map(base64.b64decode, re.findall(r"data:image/\w+;base64,([^\"]+)", data.get("text/html", "")))
    return [Image.open(io.BytesIO(each)) for each in found]


def run(notebook, folder):
    """Run a notebook in a kernel of its own, which ends with it."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / "ipython")}
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    try:
        client.execute(env=environment)
    finally:
        left = [each for each in psutil.Process().children(recursive=True) if each.pid not in before]
        _, alive = psutil.wait_procs(left, timeout=10)
        assert not alive
    return cells_by_id(notebook)


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture
def examples(tmp_path):
    """A folder with the pictures that the notebook uses."""
    folder = tmp_path / "project" / "examples"
    folder.mkdir(parents=True)
    for name in ("lakeside.jpg", "swirls.jpg"):
        shutil.copy(ROOT / "examples" / name, folder)
    return folder


def test_it_paints_and_shows_pictures(notebook, examples):
    at = next(place for place, cell in enumerate(notebook.cells) if "parameters" in cell["metadata"].get("tags", ()))
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell(QUICK))
    cells = run(notebook, examples)
    (live,) = pictures_in(cells["paint"])  # in one output, which was replaced
    assert live.size == (64, 43)
    assert "iteration 2, 64×43 px: content " in cells["paint"]["outputs"][0]["data"]["text/plain"]
    assert Image.open(examples / "painted.png").size == (64, 43)
    printed = [
        output for cell in notebook.cells for output in cell.get("outputs", ()) if output["output_type"] == "stream"
    ]
    assert not printed
    if "widget" in json.dumps(cells["slider"]["outputs"]):
        return
    (small,) = pictures_in(cells["slider"])
    assert (small.format, small.size) == ("PNG", (64, 43))


def test_it_finds_a_project_that_was_uploaded_as_a_zip(notebook, examples, tmp_path):
    elsewhere = tmp_path / "content"
    elsewhere.mkdir()
    shutil.make_archive(str(elsewhere / "neural-style-main"), "zip", examples.parents[1], "project")
    search, _, _ = cells_by_id(notebook)["install"]["source"].partition("\ntry:")
    notebook.cells = [nbformat.v4.new_code_cell(each) for each in (search, "EXAMPLES")]
    run(notebook, elsewhere)
    assert str(elsewhere / "project" / "examples") in notebook.cells[1]["outputs"][0]["data"]["text/plain"]


def test_it_says_what_is_missing(notebook, tmp_path):
    notebook.cells = [cells_by_id(notebook)["install"]]
    with pytest.raises(CellExecutionError, match=r"expected the project in .*, got none; upload its folder as a zip"):
        run(notebook, tmp_path)


def test_it_is_kept_without_outputs(notebook):
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    nbformat.validate(notebook)
