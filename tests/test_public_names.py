import subprocess
import sys

import pytest

import neural_style


def loaded_by(module):
    """Names of all modules that are loaded once this one is, in a fresh Python."""
    code = f"import sys, {module}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_package_loads_none_of_its_modules():
    assert not {name for name in loaded_by("neural_style") if name.startswith("neural_style.")}


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("neural_style.config.config", {"numpy", "PIL", "tensorflow", "keras", "h5py", "scipy", "matplotlib"}),
        ("neural_style.cli.main", {"tensorflow", "keras", "h5py", "scipy", "matplotlib", "tifffile", "imagecodecs"}),
    ],
)
def test_help_and_mistakes_are_answered_before_anything_slow_is_loaded(module, unwanted):
    loaded = loaded_by(module)
    assert module in loaded
    assert not unwanted & loaded


# --- public names -----------------------------------------------------------------------------------------------------


def test_public_names():
    assert set(neural_style.__all__) == {
        *{"__version__", "Config", "Step", "Result", "stylize", "render"},
        *{"Stylizer", "Session", "SessionState", "configure_process", "config_from_picture"},
        *{"NeuralStyleError", "UsageError", "ImageError", "OutputError", "WeightsError"},
        *{"DivergenceError", "OutOfMemoryError"},
    }
    for name in neural_style.__all__:
        assert getattr(neural_style, name) is not None
        assert name in dir(neural_style)
    from neural_style.runs.api import render

    assert neural_style.render is render
    with pytest.raises(AttributeError, match="no attribute 'paint'"):
        _ = neural_style.paint
