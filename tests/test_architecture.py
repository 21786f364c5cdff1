"""The architecture of VGG19, and that of this program: which module may import which."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import neural_style
from neural_style import architecture
from neural_style.architecture import CONV_LAYERS, LAYERS, MIN_SIDE, RELU_LAYERS

# --- VGG19 ------------------------------------------------------------------------------------------------------------


def test_names():
    assert len(CONV_LAYERS) == len(RELU_LAYERS) == 16
    assert LAYERS == CONV_LAYERS + RELU_LAYERS
    assert CONV_LAYERS[:5] == ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1")
    assert RELU_LAYERS[-5:] == ("relu4_4", "relu5_1", "relu5_2", "relu5_3", "relu5_4")


def test_table_1_of_the_paper():
    """Column E: 16 convolutions, and with three dense layers 144 million parameters, here counted without those."""
    shapes = [architecture.kernel_shape(conv) for conv in CONV_LAYERS]
    assert [shape[3] for shape in shapes] == [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    assert [shape[2] for shape in shapes] == [3, *(shape[3] for shape in shapes[:-1])]
    assert {shape[:2] for shape in shapes} == {(3, 3)}
    assert sum(3 * 3 * shape[2] * shape[3] + shape[3] for shape in shapes) == 20_024_384


@pytest.mark.parametrize(
    ("layer", "conv", "block", "keras"),
    [
        ("relu1_1", "conv1_1", 1, "block1_conv1"),
        ("conv3_4", "conv3_4", 3, "block3_conv4"),
        ("relu5_2", "conv5_2", 5, "block5_conv2"),
        ("pool1", "conv1_2", 1, "block1_conv2"),
        ("pool3", "conv3_4", 3, "block3_conv4"),
    ],
)
def test_names_of_one_layer(layer, conv, block, keras):
    assert architecture.conv_of(layer) == conv
    assert architecture.block_of(layer) == block
    assert architecture.keras_name(conv) == keras


def test_poolings_lie_between_blocks():
    assert architecture.POOLINGS == ("pool1", "pool2", "pool3", "pool4")
    assert not set(architecture.POOLINGS) & set(LAYERS)  # nobody may ask for them


@pytest.mark.parametrize(
    ("layers", "count"),
    [
        ((), 0),
        (("relu1_1",), 1),
        (("pool3", "relu1_1"), 8),
        (("relu4_2", "conv1_1"), 10),
        (iter(("conv2_2", "relu3_1")), 5),
        (LAYERS, 16),
    ],
)
def test_convs_up_to(layers, count):
    assert architecture.convs_up_to(layers) == CONV_LAYERS[:count]


@pytest.mark.parametrize(
    ("layer", "start", "stride"),
    [
        *(("relu1_2", None, 1), ("conv2_1", None, 2), ("pool1", None, 2), ("relu5_1", None, 16), ("pool3", None, 8)),
        *(("relu4_1", "pool3", 1), ("relu5_1", "pool3", 2), ("pool4", "pool3", 2), ("conv2_2", "pool1", 1)),
    ],
)
def test_stride(layer, start, stride):
    assert architecture.stride(layer, start) == stride


@pytest.mark.parametrize(
    ("layers", "start", "reach"),
    [
        ((), None, 0),
        (("relu1_1",), None, 1),
        (("relu1_2", "conv1_1"), None, 2),
        (("pool1",), None, 2),
        (("relu2_1",), None, 2 + 2),
        (("pool3",), None, 2 + 2 * 2 + 4 * 4),
        (("relu5_1",), None, 2 + 2 * 2 + 4 * 4 + 4 * 8 + 16),
        (("relu5_1",), "pool3", 4 + 2),
        (("relu5_4", "relu4_1"), "pool3", 4 + 4 * 2),
    ],
)
def test_reach(layers, start, reach):
    assert architecture.reach(layers, start) == reach


@pytest.mark.parametrize(
    ("layer", "side"), [("relu1_1", 3), ("relu1_2", 5), ("relu2_1", 10), ("relu3_1", 24), ("relu5_1", 156)]
)
def test_receptive_fields(layer, side):
    """Which are known: a position of a layer and its reach on both sides."""
    assert architecture.stride(layer) + 2 * architecture.reach([layer]) == side


def test_smallest_side_leaves_two_positions_after_four_poolings():
    assert MIN_SIDE // 2**4 == 2
    assert (MIN_SIDE - 1) // 2**4 < 2


# --- floors -----------------------------------------------------------------------------------------------------------

FLOORS = (
    {"errors", "architecture", "options", "pyramid", "memory", "config", "tiles"},
    {
        *{"files", "bands", "deep_files", "images", "color", "weights", "weight_files", "download", "seeded_filters"},
        *{"package_index", "torch_legacy", "palette_file", "failures"},
        *{"process", "feature_stats", "sums", "optimizers", "records"},
    },
    {"vgg", "losses", "inputs", "flags", "precision", "planner"},
    {"objective", "outputs", "progress"},
    {"tiling", "planned"},
    {"engine"},
    {"doctor", "bench", "weights_command"},
    {"cli"},
    {"__main__"},
)
"""Modules from the ground up: each imports from below or from its own floor, there without cycles."""

PACKAGE = Path(neural_style.__file__).parent
MODULES = {path.stem: path.read_text("utf-8") for path in PACKAGE.glob("*.py") if path.stem != "__init__"}


def imports_of(source):
    """Modules of this package that a source imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("neural_style.")}
        elif isinstance(node, ast.ImportFrom):
            path = (node.module or "").split(".")
            if node.level:
                path = ["neural_style", *filter(None, path)]
            if path == ["neural_style"]:
                found |= {alias.name for alias in node.names if not alias.name.startswith("__")}
            elif path[0] == "neural_style":
                found.add(path[1])
    return found


def complaints(modules, floors):
    """What is wrong with the imports of some modules, name -> source; nothing if all is well."""
    floor = {name: number for number, names in enumerate(floors) for name in names}
    graph = {name: imports_of(source) for name, source in modules.items()}
    found = [f"{name} has no floor" for name in sorted(graph.keys() - floor.keys())]
    for name, imported in graph.items():
        for other in sorted(imported):
            if floor.get(name, 0) < floor.get(other, len(floors)):
                found.append(f"{name} imports {other} from above")
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        found.append("cycle: " + " -> ".join(error.args[1]))
    return found


def test_modules_import_downward():
    assert complaints(MODULES, FLOORS) == []


def test_floors_name_each_module_once_and_no_other():
    names = [name for floor in FLOORS for name in floor]
    assert sorted(names) == sorted(MODULES)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("from neural_style import upper", "low imports upper from above"),
        ("import neural_style.upper as u", "low imports upper from above"),
        ("from neural_style.upper import thing", "low imports upper from above"),
        ("from . import upper", "low imports upper from above"),
        ("from .upper import thing", "low imports upper from above"),
        ("def f():\n    if f:\n        from neural_style import upper", "low imports upper from above"),
        ("from neural_style import unheard_of", "low imports unheard_of from above"),
        ("from neural_style.beside import thing", "cycle: low -> beside -> low"),
    ],
)
def test_complaints_are_made(source, complaint):
    modules = {"low": source, "beside": "from neural_style import __version__, low", "upper": "import numpy"}
    found = complaints(modules, ({"low", "beside"}, {"upper"}))
    assert complaint in found or (complaint.startswith("cycle") and "cycle" in found[0])
    assert complaints({**modules, "low": "import os"}, ({"low", "beside"}, {"upper"})) == []
    assert complaints({**modules, "new": ""}, ({"low", "beside"}, {"upper"}))[0] == "new has no floor"


def loaded_by(module):
    """Names of all modules that are loaded once this one is, in a fresh Python."""
    code = f"import sys, {module}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_package_loads_none_of_its_modules():
    assert not {name for name in loaded_by("neural_style") if name.startswith("neural_style.")}


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("neural_style.config", {"numpy", "PIL", "tensorflow", "keras", "h5py", "scipy", "matplotlib"}),
        ("neural_style.cli", {"tensorflow", "keras", "h5py", "scipy", "matplotlib", "tifffile", "imagecodecs"}),
    ],
)
def test_help_and_mistakes_are_answered_before_anything_slow_is_loaded(module, unwanted):
    loaded = loaded_by(module)
    assert module in loaded
    assert not unwanted & loaded


# --- public names -----------------------------------------------------------------------------------------------------


def test_public_names():
    assert set(neural_style.__all__) == {
        *{"__version__", "Config", "Step", "stylize", "render"},
        *{"NeuralStyleError", "UsageError", "ImageError", "OutputError", "WeightsError"},
        *{"DivergenceError", "OutOfMemoryError"},
    }
    for name in neural_style.__all__:
        assert getattr(neural_style, name) is not None
        assert name in dir(neural_style)
    from neural_style.engine import render

    assert neural_style.render is render
    with pytest.raises(AttributeError, match="no attribute 'paint'"):
        _ = neural_style.paint
