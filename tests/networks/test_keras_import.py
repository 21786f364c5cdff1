import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import neural_style

CHECKOUT = Path(neural_style.__file__).parents[1]
WHERE_KERAS_DOWNLOADS_TO = (
    "import os, sys, keras; from keras.src.backend import config\n"
    "print('KERAS_HOME' in os.environ, config.keras_home(), keras.backend.epsilon())\n"
)


def python(script, home, **environment):
    """What a fresh Python prints, whose home is a folder."""
    settings = {name: value for name, value in os.environ.items() if name not in ("KERAS_HOME", "NEURAL_STYLE_CACHE")}
    settings |= {"HOME": str(home), "USERPROFILE": str(home), "PYTHONPATH": str(CHECKOUT), **environment}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=settings, cwd=home).stdout.split()


def import_watched(setting):
    """A script that imports TensorFlow as commands do, and prints whether garbage was looked for before and after."""
    return (
        "import gc, sys\n"
        "from neural_style.cli.tensorflow_import import import_tensorflow\n"
        f"gc.{setting}(); searched = []\n"
        "gc.callbacks.append(lambda *_: searched.append(gc.get_freeze_count()))\n"
        "import_tensorflow(); print('tensorflow' in sys.modules, gc.isenabled(), 0 in searched)\n"
        "gc.unfreeze(); import_tensorflow(); print(gc.get_freeze_count())\n"
    )


def assert_not_searched(printed, setting):
    """No garbage was looked for during the import or in what it made. Afterwards it is if it was before."""
    assert printed == ["True", str(setting == "enable"), "False", "0"]


def test_keras_writes_nothing_into_a_folder_that_is_named_and_has_it_back(tmp_path):
    named = tmp_path / "named"
    found = python(import_watched("enable") + WHERE_KERAS_DOWNLOADS_TO, tmp_path, KERAS_HOME=str(named))
    assert_not_searched(found[:4], "enable")
    assert found[4:] == ["True", str(named), "1e-07"]
    assert not named.exists()


def test_settings_of_keras_in_the_home_hold(tmp_path):
    (tmp_path / ".keras").mkdir()
    settings = tmp_path / ".keras" / "keras.json"
    settings.write_text(json.dumps({"epsilon": 0.25}))
    found = python(import_watched("disable") + WHERE_KERAS_DOWNLOADS_TO, tmp_path)
    assert_not_searched(found[:4], "disable")
    assert found[-1] == "0.25"
    assert json.loads(settings.read_text()) == {"epsilon": 0.25}
    assert list((tmp_path / ".keras").iterdir()) == [settings]


@pytest.mark.parametrize(("error", "is_shown"), [("ImportError", True), ("KeyboardInterrupt", False), (None, False)])
def test_the_log_of_an_import_is_shown_after_an_error_but_not_after_ctrl_c(error, is_shown, tmp_path):
    script = (
        "import os\n"
        "from neural_style.networks.keras_import import quiet_import\n"
        "os.dup2(1, 2)\n"
        "try:\n"
        "    with quiet_import():\n"
        "        os.write(2, b'I0000 of_tensorflow\\nof_others\\n')\n"
        f"        {f'raise {error}' if error else 'pass'}\n"
        "except BaseException as error:\n"
        "    print(type(error).__name__)"
    )
    shown = python(script, tmp_path)
    assert ("of_tensorflow" in shown) == is_shown
    assert "of_others" in shown
    assert shown[-1] == (error or "of_others")


@pytest.mark.parametrize("way", ["command", "library"])
def test_a_run_leaves_the_folder_of_keras_alone(way, tmp_path, pictures):
    """Only the caches of this program and of others are written to; later downloads go where they always do.

    From the library, a run that fails prints nothing either, unless logging is asked for. (Pytest would listen to it.)
    """
    flags = ["--content", str(pictures / "photo.png"), "--styles", str(pictures / "style.png"), "--iterations=1"]
    flags += ["--content_layers=relu1_1", "--style_layers=relu1_1", "--output=out.png", "--weights=auto"]
    script = {
        "command": f"from neural_style.cli.main import main; main({flags})",
        "library": (
            "import os; import numpy as np; from neural_style import Config, DivergenceError, render\n"
            "photo = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)\n"
            "layers = {'content_layers': ['relu1_1'], 'style_layers': ['relu1_1']}\n"
            "render(Config(photo, [photo], iterations=1, **layers))\n"
            "os.dup2(1, 2)\n"
            "try:\n"
            "    render(Config(photo, [photo], iterations=2, optimizer='adam', learning_rate=1e30, **layers))\n"
            "except DivergenceError:\n"
            "    print('diverged')\n" + WHERE_KERAS_DOWNLOADS_TO
        ),
    }[way]
    printed = python(script, tmp_path)
    assert not (tmp_path / ".keras").exists()
    if way == "library":
        assert printed == ["diverged", "False", str(tmp_path / ".keras"), "1e-07"]
    assert (tmp_path / "out.png").exists() == (way == "command")
