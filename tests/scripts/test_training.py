"""The pictures, batches, losses and the file of scripts/train_builtin.py."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import reference

from neural_style.errors import WeightsError
from neural_style.networks.weights import formats
from neural_style.vgg19_spec import CONV_LAYERS, convs_up_to

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from builtin_training import crops, export, network, pictures  # noqa: E402
from builtin_training.photos import examples  # noqa: E402


@pytest.fixture(scope="module")
def generated():
    return list(pictures.generate(13, seed=1, guides=examples()[:2]))


@pytest.fixture(scope="module")
def batches(generated):
    return crops.Crops(generated, pairs=16, side=32, sources=4, noise=0.1, seed=0)


@pytest.fixture(scope="module")
def trainee(batches):
    import keras

    keras.utils.set_random_seed(0)
    model = network.Trainee()
    model.calibrate(batches.batch(0)[0])
    return model


@pytest.fixture(scope="module")
def written(trainee, tmp_path_factory):
    """The file of the network."""
    path = tmp_path_factory.mktemp("written") / "net.npz"
    export.write(trainee, path, examples()[:2])
    return path


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_every_kind_of_picture_has_something_in_it(generated):
    for picture in generated:
        assert (picture.shape, picture.dtype) == ((pictures.SIDE, pictures.SIDE, 3), np.uint8)
        assert picture.std() > 3
    assert len({picture.tobytes() for picture in generated}) == len(generated)


def test_the_same_seed_gives_the_same_pictures_on_any_number_of_processes(generated):
    again = list(pictures.generate(5, seed=1, guides=examples()[:2], workers=2))
    for ours, theirs in zip(again, generated, strict=False):
        np.testing.assert_array_equal(ours, theirs)
    assert (next(pictures.generate(1, seed=2)) != generated[0]).any()


# --- batches ----------------------------------------------------------------------------------------------------------


def test_a_step_has_its_batch(batches):
    degraded, clean = batches.batch(7)
    assert degraded.shape == clean.shape == (32, 32, 32, 3)
    assert degraded.dtype == clean.dtype == np.float32
    for ours, theirs in zip(batches.batch(7), (degraded, clean), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (batches.batch(8)[0] != degraded).any()
    low, high = (0 - crops.MEAN) / crops.SCALE, (255 - crops.MEAN) / crops.SCALE
    assert low - 1e-4 <= clean.min() and clean.max() <= high + 1e-4
    noise = (degraded - clean).std((1, 2, 3)) * crops.SCALE / 255
    assert 0.02 < np.median(noise) < 0.12


def test_batches_come_in_order_from_where_one_left_off(batches):
    for step, (degraded, _) in enumerate(crops.prefetched(batches, 3, 6), 3):
        np.testing.assert_array_equal(degraded, batches.batch(step)[0])
    assert step == 5


def test_crops_of_a_pair_are_more_alike_than_others(generated):
    made = crops.Crops(generated, pairs=24, side=32, sources=13, noise=0, seed=0).batch(0)[1].mean((1, 2))
    distances = np.linalg.norm(made[:24, None] - made[None, 24:], axis=-1)
    assert np.median(np.diag(distances)) < 0.5 * np.median(distances)


def test_crops_never_look_over_the_border():
    white = np.full((400, 400, 3), 255, np.uint8)
    made = crops.Crops([white], pairs=32, side=32, sources=1, noise=0, seed=0)
    views = np.stack([made._pair(np.random.default_rng(i), crops._pyramid(white)) for i in range(64)])
    assert np.mean(views < 255) < 0.005


# --- losses -----------------------------------------------------------------------------------------------------------


def test_contrastive_loss_by_hand():
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(6, 5))
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    expected = []
    for i in range(6):
        scores = np.exp(unit @ unit[i] / network.TEMPERATURE)
        expected.append(-np.log(scores[(i + 3) % 6] / (scores.sum() - scores[i])))
    found = network.contrastive_loss(embeddings.astype(np.float32))
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-4)


def test_restoration_loss_knows_which_pixel_is_which():
    pixels = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    predicted = np.empty((2, 2, 2, 48), np.float32)
    for y in range(2):
        for x in range(2):
            predicted[:, y, x] = pixels[:, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4].reshape(2, 48)
    assert float(network.restoration_loss(predicted, pixels)) == pytest.approx(0, abs=1e-10)
    assert float(network.restoration_loss(predicted + 0.5, pixels)) == pytest.approx(0.25, rel=1e-4)


def test_redundancy_is_0_for_uncorrelated_channels_and_the_log_of_their_number_for_equal_ones():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4, 50, 50, 8)).astype(np.float32)
    assert float(network.redundancy_loss(noise)) == pytest.approx(0, abs=0.01)
    same = noise[..., :1] * np.linspace(0.5, 3, 8, dtype=np.float32) + np.arange(8, dtype=np.float32)
    assert float(network.redundancy_loss(same)) == pytest.approx(np.log(8), abs=0.01)
    mixed = noise @ rng.normal(size=(8, 8)).astype(np.float32)
    expected = np.log((np.corrcoef(mixed.reshape(-1, 8).T) ** 2).sum() / 8)
    assert float(network.redundancy_loss(mixed)) == pytest.approx(expected, rel=1e-3)


# --- the network and its file -----------------------------------------------------------------------------------------


def test_responses_are_normalised(trainee, batches):
    maps = batches.batch(0)[0]
    conv = trainee.convs[0]
    kernel, bias = (np.asarray(part) for part in conv.folded())
    response = reference.convolution(maps[0].astype(np.float64), kernel, bias - np.asarray(conv.bias))
    for crop in maps[1:]:
        response = np.concatenate([response, reference.convolution(crop.astype(np.float64), kernel, bias - conv.bias)])
    np.testing.assert_allclose(response.mean((0, 1)), 0, atol=0.01)
    np.testing.assert_allclose(response.std((0, 1)), 1, rtol=0.01)


def test_training_renormalises_to_what_the_file_will_hold():
    """With the corrections of batch renormalisation, unclipped, a crop's response does not depend on its batch."""
    rng = np.random.default_rng(0)
    conv = network.Conv(6)
    maps = rng.normal(1, 2, (16, 8, 8, 5)).astype("float32")
    conv.build(maps.shape)
    conv.deviation.assign(rng.uniform(1.5, 2.5, 6))
    conv.mean.assign(rng.normal(0, 0.5, 6))
    before = np.array(conv.mean), np.array(conv.deviation)
    expected = np.asarray(conv(maps, training=False))
    np.testing.assert_allclose(np.asarray(conv(maps, training=True)), expected, atol=1e-4)
    kernel, bias = (np.asarray(part, np.float64) for part in (conv.filters(), np.zeros(6)))
    some = np.stack([reference.convolution(crop.astype(np.float64), kernel, bias) for crop in maps[:2]])
    for variable, old, seen in (
        (conv.mean, before[0], some.mean((0, 1, 2))),
        (conv.deviation, before[1], some.std((0, 1, 2))),
    ):
        np.testing.assert_allclose(np.asarray(variable), 0.97 * old + 0.03 * seen, rtol=1e-3, atol=1e-4)


@pytest.mark.training
def test_training_moves_every_weight_and_lowers_the_loss(batches):
    import keras

    keras.utils.set_random_seed(0)
    model = network.Trainee()
    x, y = batches.batch(0)
    model.calibrate(x)
    before = [keras.ops.convert_to_numpy(weight).copy() for weight in model.trainable_weights]
    model.compile(keras.optimizers.AdamW(2e-4), jit_compile=False)
    losses = []
    for _ in range(8):
        losses.append(model.train_on_batch(x, y, return_dict=True)["loss"])
        model.reset_metrics()
    assert all(np.isfinite(losses))
    assert losses[-1] < 0.97 * losses[0]
    assert all(
        (keras.ops.convert_to_numpy(weight) != old).any()
        for weight, old in zip(model.trainable_weights, before, strict=True)
    )


@pytest.mark.training
def test_the_file_is_the_network_in_balance(trainee, written):
    assert written.stat().st_size <= 12e6
    loaded = formats.read(written)
    assert tuple(loaded.kernels) == CONV_LAYERS
    assert loaded.channel_order == "RGB"
    np.testing.assert_array_equal(loaded.mean, [crops.MEAN] * 3)
    picture = export._resized(examples()[0])[:64, :64]
    layers = ["relu1_1", "relu3_4", "relu4_1"]
    ours = reference.features(reference.in_float64(loaded), picture - crops.MEAN, layers)
    folded = reference.SimpleNamespace(kernels={}, biases={})
    for conv in trainee.convs:
        kernel, bias = conv.folded()
        folded.kernels[conv.name] = np.asarray(kernel, np.float64)
        folded.biases[conv.name] = np.asarray(bias, np.float64)
    theirs = reference.features(folded, (picture - crops.MEAN) / crops.SCALE, layers)
    for layer in layers:
        factor = np.sqrt(np.mean(ours[layer] ** 2) / np.mean(theirs[layer] ** 2))
        np.testing.assert_allclose(ours[layer], theirs[layer] * factor, atol=0.02 * ours[layer].max())


@pytest.mark.training
def test_every_layer_of_the_file_has_its_strength(written):
    import tensorflow as tf

    from neural_style.losses.moments import mean_moments, moments
    from neural_style.networks.vgg19 import build_vgg19
    from neural_style.networks.weights import load

    styles = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    loaded = load(str(written), (*styles, "relu5_2"))
    model = build_vgg19(loaded, (*styles, "relu4_2", "relu5_2"))
    maps = [model((export._resized(picture) - loaded.mean)[np.newaxis]) for picture in examples()[:2]]
    for layer in styles:
        grams = [mean_moments(moments(each[layer])).second / each[layer].shape[-1] for each in maps]
        strength = np.mean([tf.reduce_mean(gram**2) for gram in grams])
        expected = export.STYLE_STRENGTH[layer.replace("relu", "conv")]
        assert strength == pytest.approx(expected, rel=0.05), layer
    for layer in ("relu4_2", "relu5_2"):
        strength = np.sqrt(np.mean([tf.reduce_mean(each[layer] ** 2) for each in maps]))
        assert strength == pytest.approx(export.CONTENT_STRENGTH, rel=0.05), layer


@pytest.mark.training
def test_the_content_layer_compares_the_pixels_that_the_network_predicts(trainee, written):
    net = reference.in_float64(formats.read(written, convs_up_to(["relu4_2"])))
    pictures = [export._resized(picture)[:64, :64] - crops.MEAN for picture in examples()[:2]]
    ours, theirs = (reference.features(net, picture, ["relu4_1", "conv4_2"]) for picture in pictures)
    kernel = np.asarray(trainee.seeing(), np.float64)
    predicted = np.tensordot(ours["relu4_1"] - theirs["relu4_1"], kernel, 1)
    waves = [np.cos(np.pi * f * (np.arange(8) + 0.5) / 8) * np.sqrt((1 if f else 0.5) / 4) for f in range(8)]
    spectrum = np.einsum("...abc,ua,vb->...uvc", predicted, waves, waves)
    weight = (1 + np.add.outer(np.arange(8) ** 2, np.arange(8) ** 2)) ** (export.FINENESS / 2)
    expected = np.sqrt(((spectrum * weight[..., None]) ** 2).sum((-3, -2, -1)))
    distance = np.sqrt(((ours["conv4_2"] - theirs["conv4_2"]) ** 2).sum(-1))
    np.testing.assert_allclose(distance / distance.mean(), expected / expected.mean(), rtol=0.02)


@pytest.mark.training
def test_a_file_lacks_no_bias(written, tmp_path):
    path = tmp_path / "net.npz"
    with np.load(written) as archive:
        kept = {name: archive[name] for name in archive.files if name != "block5_conv4/bias"}
    np.savez(path, **kept)
    with pytest.raises(WeightsError, match="expected conv5_4's bias beside its"):
        formats.read(path)


# --- the script -------------------------------------------------------------------------------------------------------


def run(*arguments):
    command = [sys.executable, SCRIPTS / "train_builtin.py", *arguments, "--pictures=12", "--pairs=8", "--side=16"]
    return subprocess.run([*map(str, command), "--skip_evaluation"], capture_output=True, text=True, check=False)


@pytest.fixture
def short(tmp_path, batches):
    """A function that trains for some steps in a folder, saving after each, and gives the network."""
    import keras
    import train_builtin

    def train(folder, batches=batches, stop=None, **flags):
        given = {"workdir": tmp_path / folder, "steps": 4, "save_minutes": 0, **flags}
        args = train_builtin.parse_args([f"--{name}={value}" for name, value in given.items()])
        keras.utils.set_random_seed(0)
        model = train_builtin.compiled(args)
        first = train_builtin.begun(model, args)
        if first is None:
            model.calibrate(batches.batch(0)[0])
        train_builtin.train(model, batches, args, first or 0, stop or train_builtin.Stop())
        return model

    return train


@pytest.mark.training
def test_a_run_that_was_cut_off_goes_on_to_the_same_network(short, batches):
    class CutOff:
        def batch(self, step):
            if step == 2:
                raise MemoryError
            return batches.batch(step)

    whole = short("whole")
    with pytest.raises(MemoryError):  # and no waiting for a batch that will never come
        short("parts", CutOff())
    resumed = short("parts")
    assert int(resumed.optimizer.iterations) == 4
    for ours, theirs in zip(resumed.weights, whole.weights, strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), atol=1e-5)


@pytest.mark.training
def test_a_run_does_not_go_on_with_other_flags(short, capsys):
    short("run")
    with pytest.raises(SystemExit) as told:
        short("run", steps=9)
    assert told.value.code == 2
    said = "expected the flags that the run there began with, --steps 4, got --steps 9; give another --workdir"
    assert said in capsys.readouterr().err


def test_a_start_that_is_no_checkpoint_is_told(short, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("not weights")
    with pytest.raises(SystemExit) as told:
        short("run", start=tmp_path / "notes.txt")
    assert told.value.code == 2
    assert "notes.txt: expected a checkpoint of this script" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.training
def test_a_signal_ends_the_step_and_saves_it(short, generated, capsys, monkeypatch):
    import train_builtin

    monkeypatch.setattr(network, "SEEING", "relu2_2")  # a shallow network, whose steps are soon traced
    monkeypatch.setattr(network, "CONTRAST", {"relu2_2": 1.0})
    monkeypatch.setattr(network, "RESTORATION", {"relu2_2": 1.0})
    batches = crops.Crops(generated[:1], pairs=8, side=16, sources=1, noise=0.1, seed=0)
    stop = train_builtin.Stop()

    class Interrupted:
        def batch(self, step):
            if step == 1:
                os.kill(os.getpid(), signal.SIGTERM)
                while stop.signal is None:  # the main thread sees to it
                    time.sleep(0.01)
                os.kill(os.getpid(), signal.SIGINT)
            return batches.batch(step)

    with stop, pytest.raises(KeyboardInterrupt):
        short("run", Interrupted(), stop, steps=6, save_minutes=60)
    assert stop.signal == signal.SIGTERM
    assert int(short("run", batches, steps=6).optimizer.iterations) == 6
    assert 0 < int(re.search(r"going on after step (\d+)", capsys.readouterr().out)[1]) < 6


def test_a_signal_after_the_last_step_is_not_lost():
    import train_builtin

    with train_builtin.Stop() as stop, pytest.raises(KeyboardInterrupt), stop.later():
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.training
def test_weights_that_are_not_finite_spoil_no_checkpoint(short, tmp_path):
    import train_builtin

    model = short("run")
    checkpoint = tmp_path / "run" / train_builtin.CHECKPOINT
    before = checkpoint.read_bytes()
    model.convs[0].bias.assign(np.full(64, np.nan, np.float32))
    with pytest.raises(FloatingPointError, match="lower --learning_rate"):
        train_builtin._save(model, checkpoint)
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize("record", [None, "", "[1]"])
def test_a_run_without_its_flags_is_told(short, record, capsys, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "checkpoint.weights.h5").touch()
    if record is not None:
        (folder / "flags.json").write_text(record)
    with pytest.raises(SystemExit) as told:
        short("run")
    assert told.value.code == 2
    assert "flags.json: expected the flags of the run there" in capsys.readouterr().err


def drawn_slowly(job):
    """In place of a picture: a file whose name is the job's number."""
    (Path(os.environ["DRAWN"]) / str(job[1])).touch()
    time.sleep(0.05)
    return job[1]


def test_drawing_stops_with_the_pictures_begun(tmp_path, monkeypatch):
    monkeypatch.setenv("DRAWN", str(tmp_path))
    monkeypatch.setattr(pictures, "_generate", drawn_slowly)
    drawn = pictures.generate(200, seed=1, workers=2)
    assert next(drawn) == 0
    with pytest.raises(KeyboardInterrupt):
        drawn.throw(KeyboardInterrupt)
    assert len(list(tmp_path.iterdir())) < 100


def test_signals_are_left_as_they_were():
    import train_builtin

    before = signal.getsignal(signal.SIGINT)
    with train_builtin.Stop() as stop, pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    assert stop.signal == signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.training
def test_training_that_diverges_is_told_and_spoils_no_checkpoint(short, batches):
    class Spoilt:
        def batch(self, step):
            x, y = batches.batch(step)
            return x, y * (np.nan if step == 2 else 1)

    with pytest.raises(FloatingPointError, match=r"nan at step 3; .* a lower --learning_rate"):
        short("run", Spoilt())
    assert int(short("run").optimizer.iterations) == 4


@pytest.mark.training
def test_a_network_that_is_not_finite_is_not_written(batches, tmp_path):
    spoilt = network.Trainee()
    spoilt.calibrate(batches.batch(0)[0][:2])
    spoilt.convs[0].bias.assign(np.full(64, np.nan, np.float32))
    with pytest.raises(FloatingPointError, match="not finite"):
        export.write(spoilt, tmp_path / "net.npz", examples()[:1])
    assert not list(tmp_path.iterdir())


@pytest.mark.training
def test_the_script_trains_goes_on_and_writes_a_network(tmp_path):
    first = run("--workdir", tmp_path, "--steps=3")
    assert first.returncode == 0, first.stderr
    whole = (tmp_path / "builtin.npz").read_bytes()
    again = run("--workdir", tmp_path, "--steps=3")
    assert again.returncode == 0, again.stderr
    assert "going on after step 3" in again.stdout
    assert (tmp_path / "builtin.npz").read_bytes() == whole
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [3]
    assert all(np.isfinite(value) for value in rows[0].values())
    assert formats.read(tmp_path / "builtin.npz", convs_up_to(["relu5_1"])).kernels
    with pytest.raises(WeightsError, match="if this is a checkpoint of training, give the network"):
        formats.read(tmp_path / "checkpoint.weights.h5", convs_up_to(["relu1_1"]))


@pytest.mark.training
def test_the_script_begins_with_another_run(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert run("--workdir", first, "--steps=1").returncode == 0
    start = ("--start", first / "checkpoint.weights.h5")
    done = run("--workdir", second, "--steps=1", *start, "--learning_rate=0", "--seed=1")
    assert done.returncode == 0, done.stderr
    assert json.loads((second / "log.jsonl").read_text())["step"] == 1
    ours, theirs = (formats.read(folder / "builtin.npz").kernels["conv1_2"] for folder in (first, second))
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.99  # and not the random filters of another start


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--side=20", "multiple of 8"),
        ("--learning_rate=nan", "a number of at least 0, got nan"),
        ("--steps=2.5", "a whole number of at least 1, got 2.5"),
        ("--seed=4294967296", "a whole number from 0 to 4294967295"),
        ("--dtype=half", "'float32'"),
        ("--start=no.weights.h5", "does not exist"),
    ],
)
def test_bad_settings_are_told(flag, said, capsys):
    import train_builtin

    with pytest.raises(SystemExit) as told:
        train_builtin.main([flag])
    assert (told.value.code, said in capsys.readouterr().err) == (2, True)
