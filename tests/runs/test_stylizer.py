import dataclasses
import gc
import threading

import numpy as np
import pytest
import tensorflow as tf
from small_runs import IN_PLACE, OPTIMIZERS, TWO_SCALES, assert_same, smooth, totals

from neural_style.compute import graph_cache, precision
from neural_style.compute.cost_model import PROCESS_BYTES
from neural_style.compute.ledger import LEDGER
from neural_style.compute.planner import Planner
from neural_style.compute.precision import LOSS_NOISE, Choice
from neural_style.config import byte_sizes
from neural_style.config.resolve import resolve
from neural_style.errors import ImageError, OutOfMemoryError, UsageError, WeightsError
from neural_style.networks import weights
from neural_style.runs import stylizer as stylizers
from neural_style.runs.inputs import read_inputs
from neural_style.runs.stylizer import Stylizer


@pytest.fixture
def fresh():
    """A stylizer that knows nothing yet."""
    return Stylizer("builtin", device="cpu", precision="float32")


# --- styles -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def computed(monkeypatch):
    """(Width, height, tile size) of every style whose statistics are computed."""
    computed, real = [], stylizers.style_moments

    def style_moments(graphs, style, tile_size, *rest):
        computed.append((style.shape[1], style.shape[0], tile_size))
        return real(graphs, style, tile_size, *rest)

    monkeypatch.setattr(stylizers, "style_moments", style_moments)
    return computed


def test_statistics_of_the_same_pixels_are_computed_once(fresh, make_config, pictures, computed, run):
    """However the picture is given, whatever else differs."""
    path = pictures / "style.png"
    pixels = np.asarray(tf.io.decode_png(path.read_bytes()))
    first = list(fresh.session(make_config(styles=[path])))
    assert computed == [(64, 48, None)]
    for settings in (
        {"styles": [pixels]},
        {"styles": [path], "optimizer": "lbfgs", "style_weight": 3.0},
        {"styles": [str(path), pixels], "content": smooth(64, 50, 3)},
        {"styles": [pixels], "loss": "athalye", "tv_weight": 2.0},
    ):
        list(fresh.session(make_config(iterations=1, **settings)))
    assert computed == [(64, 48, None)]
    assert_same(list(fresh.session(make_config(styles=[path]))), first)
    assert_same(run(styles=[path]), first)  # of another stylizer


def test_other_statistics_are_computed(fresh, make_config, computed):
    """Of other pixels, sizes, tiles, layers and networks."""

    def style():
        return smooth(80, 60, 4)

    changed = style()
    changed[7, 8, 1] ^= 1
    list(fresh.session(make_config(styles=[style()], iterations=1)))
    for settings, expected in (
        ({"styles": [changed], "style_scales": (1.25,)}, (80, 60, None)),
        ({"styles": [style()], "style_scales": (1.25,)}, (80, 60, None)),
        ({"styles": [style()], "width": 100}, (100, 75, None)),
        ({"styles": [style()], "width": 100, "tile_size": 64}, (100, 75, 64)),
        ({"styles": [style()], "style_layers": ("relu1_1",)}, (64, 48, None)),
        ({"styles": [style()], "pooling": "avg"}, (64, 48, None)),
        ({"styles": [style()[::-1]]}, (64, 48, None)),
    ):
        del computed[:]
        list(fresh.session(make_config(iterations=1, **settings)))
        assert computed == [expected]


def test_each_size_and_style_of_a_run_is_computed_once(fresh, make_config, computed):
    style = smooth(80, 60, 4)
    config = make_config(**TWO_SCALES, styles=[style, smooth(60, 80, 5), style])
    list(fresh.session(config))
    assert computed == [(64, 48, None), (64, 85, None), (128, 96, None), (128, 171, None)]
    list(fresh.session(config))
    assert len(computed) == 4


def test_stylizers_know_nothing_of_one_another(fresh, make_config, computed):
    for stylizer in (fresh, Stylizer("builtin", device="cpu", precision="float32")):
        list(stylizer.session(make_config(iterations=1)))
    assert len(computed) == 2


def test_only_the_last_styles_are_kept(fresh, make_config, computed, monkeypatch):
    monkeypatch.setattr(stylizers, "MOST_STYLES", 2)
    for seed, known in ((1, False), (2, False), (1, True), (3, False), (1, True), (2, False), (3, False)):
        del computed[:]
        list(fresh.session(make_config(iterations=1, styles=[smooth(64, 48, seed)])))
        assert len(computed) == (not known)
        assert len(fresh._styles) <= 2


def test_what_is_kept_does_not_keep_the_graphs(fresh, make_config):
    list(fresh.session(make_config(iterations=1)))
    kept = list(fresh._styles.values())
    assert kept
    assert all(isinstance(value, tf.Tensor) for moments in kept for mean in moments.values() for value in mean)


# --- graphs -----------------------------------------------------------------------------------------------------------


def test_graphs_are_shared_where_nothing_that_is_traced_differs(fresh, begin):
    graphs = begin()._graphs
    for settings in (
        {"optimizer": "lbfgs", "seed": 4},
        {"width": 80, "loss": "athalye", "style_weight": 9.0},
        {"tile_size": 64, "tv_weight": 0.0},
        {"padding_layers": "first"},  # of zeros
    ):
        assert begin(**settings)._graphs is graphs
    for settings in (
        {"pooling": "avg"},
        {"pool_rounding": "down"},
        {"pooling_scale": 2.0},
        {"padding": "reflect"},
        {"padding": "replicate"},
        {"padding": "replicate", "padding_layers": "first"},
        {"style_layers": ("relu1_1", "conv2_1")},
        {"content_weight": 0.0},
    ):
        other = begin(**settings)._graphs
        assert other.key != graphs.key
        assert other.whole.network is not graphs.whole.network


def test_other_types_have_graphs_of_their_own(make_config, begin):
    graphs = begin()._graphs
    half = Stylizer("builtin", device="cpu", precision="bfloat16").session(make_config(precision="bfloat16"))
    assert half._graphs is not graphs
    assert half._graphs.whole.network.precision == "bfloat16"
    half.close()


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"precision": "bfloat16"}, r"^precision: expected float32, which the Stylizer was made with, got bfloat16$"),
        ({"weights": "imagenet"}, r"^weights: expected builtin, which the Stylizer was made with, got imagenet$"),
        ({"weights": "own.h5"}, r"^weights: expected builtin, which the Stylizer was made with, got own\.h5$"),
        ({"device": "gpu:7"}, r"^device: expected a GPU that TensorFlow can use, got gpu:7"),
    ],
    ids=str,
)
def test_a_config_of_another_network_is_refused(fresh, make_config, settings, said, reserved):
    with pytest.raises(UsageError, match=said):
        fresh.session(make_config(**settings))
    assert reserved() == 0


def test_a_config_of_another_device_is_refused(fresh, make_config, monkeypatch):
    monkeypatch.setattr(stylizers, "device_name", lambda device: "GPU:0" if device == "gpu" else "CPU:0")
    with pytest.raises(UsageError, match=r"^device: expected cpu, which the Stylizer was made with, got gpu$"):
        fresh.session(make_config(device="gpu"))


def test_a_config_of_the_same_or_any_network_is_taken(fresh, make_config, network):
    for settings in (
        {"weights": "auto", "device": "auto", "precision": "auto"},
        {"weights": network.reference},
        {"weights": "builtin", "device": "cpu", "precision": "float32"},
    ):
        session = fresh.session(make_config(**settings))
        assert (session.config.weights, session.config.precision) == ("builtin", "float32")
        assert session.network.reference == network.reference
        session.close()
    assert Stylizer("builtin").device == "CPU:0" or tf.config.list_physical_devices("GPU")


def test_weights_of_another_hash_are_refused(fresh, make_config):
    of_another = "builtin#sha256:" + 64 * "0"
    with pytest.raises(WeightsError, match="builtin"):
        Stylizer(of_another, device="cpu", precision="float32").session(make_config(weights=of_another))


@pytest.mark.parametrize("device", ["gpu:99", "gpu:7"])
def test_a_gpu_that_is_not_there(device):
    with pytest.raises(UsageError, match=rf"got {device} with \d found; use --device cpu"):
        Stylizer("builtin", device=device)


def test_pictures_and_weights_are_read_before_memory_is_reserved(fresh, make_config, tmp_path, monkeypatch):
    monkeypatch.setattr(stylizers.memory, "reserve", None)
    with pytest.raises(ImageError, match=r"missing\.png"):
        fresh.session(make_config(content=tmp_path / "missing.png"))
    missing = str(tmp_path / "missing.h5")
    with pytest.raises(WeightsError, match=r"missing\.h5"):
        Stylizer(missing, device="cpu", precision="float32").session(make_config(weights=missing))


def test_pictures_and_weights_that_were_read_are_not_read_again(fresh, make_config, monkeypatch, run):
    config = make_config()
    inputs, network = read_inputs(config), weights.load("builtin", config.layers)
    monkeypatch.setattr(stylizers, "read_inputs", None)
    monkeypatch.setattr(stylizers.weights, "load", None)
    steps = list(fresh.session(config, inputs, network))
    monkeypatch.undo()
    assert_same(steps, run())


# --- precision --------------------------------------------------------------------------------------------------------


def test_the_type_is_chosen_once_for_the_device(make_config, monkeypatch):
    asked = []

    def choose(*arguments):
        asked.append(arguments)
        return Choice("float32", "a test")

    monkeypatch.setattr(stylizers, "choose", choose)
    stylizer = Stylizer("builtin", device="cpu")
    assert stylizer.precision == ("float32", "a test")
    for _ in range(2):
        session = stylizer.session(make_config(precision="auto"))
        assert session.config.precision == "float32"
        assert session.config.memory != "auto"
        elsewhere = dataclasses.replace(session.config, device="gpu")
        assert (elsewhere.precision, elsewhere.memory) == ("auto", "auto")
        session.close()
    assert asked == [("auto", "CPU:0")]


def test_a_type_that_the_device_lacks(monkeypatch):
    monkeypatch.setattr(precision, "_seconds", lambda *_: None)
    with pytest.raises(UsageError, match=r"^precision: .* got bfloat16"):
        Stylizer("builtin", device="cpu", precision="bfloat16")


@pytest.mark.parametrize("wanted", ["bfloat16", "float16"])
def test_other_types_lower_the_loss_as_float32_does(make_config, run, wanted):
    """Or better: by small differences a search may take other steps."""
    try:
        other = Stylizer("builtin", device="cpu", precision=wanted)
    except UsageError:
        pytest.skip(f"this machine does not compute in {wanted}")
    for optimizer in OPTIMIZERS:
        start, *expected = totals(run(optimizer=optimizer, iterations=10))
        session = other.session(make_config(precision=wanted, optimizer=optimizer, iterations=10))
        ours = [session.step().losses["total"]]
        assert session._descent._noise == LOSS_NOISE[wanted]  # which L-BFGS is told
        ours += totals(session)
        assert ours[0] == pytest.approx(start, rel=0.01)
        assert min(ours) < 1.1 * min(expected) < 0.9 * start
        assert session.result().precision == wanted


# --- memory -----------------------------------------------------------------------------------------------------------


def test_each_scale_is_planned_for_the_memory_given(begin, make_config):
    settings = {"width": 1600, "scales": 2, "initial_noiseblend": 1, "optimizer": "lbfgs"}
    config = make_config(**settings)
    inputs = read_inputs(config)
    areas = [inputs.styles[0].width * inputs.styles[0].height / (1600 * 1200)]
    budget = Planner(resolve(config, {}), "float32", areas).whole(800, 600).peak + inputs.nbytes
    session = begin(**settings, memory=byte_sizes.flag(budget + 10**7))
    plans = session.plans
    assert [(plan.width, plan.height) for plan in plans] == [(800, 600), (1600, 1200)]
    assert all(plan.peak <= budget + 10**7 for plan in plans)
    assert plans[0].tile_size is None
    assert plans[1].tile_size is not None


def test_pictures_that_are_read_count_until_the_last_scale(begin):
    settings = {"width": 1600, "scales": 2, "initial_noiseblend": 1, "optimizer": "lbfgs"}
    session = begin(**settings, memory="100GB")
    coarse = session.plans[0]
    nbytes = session._inputs.nbytes
    assert nbytes > 2 * 12 * 1600 * 1200
    session.close()
    assert begin(**settings, memory=byte_sizes.flag(coarse.peak + nbytes + 10**7)).plans[0] == coarse
    assert begin(**settings, memory=byte_sizes.flag(coarse.peak + nbytes // 2)).plans[0] != coarse


def test_the_message_names_the_pictures_that_are_held_beside_a_coarse_size(make_config):
    config = resolve(make_config(optimizer="lbfgs", initial_noiseblend=1), {})
    with pytest.raises(UsageError, match=r"800×600 px .* including the 96 MB of the pictures read, got 800 MB; give"):
        Planner(config, "float32").choose_all([(800, 600), (64, 48)], 8 * 10**8, 96 * 10**6)


def test_memory_is_asked_for_by_device_with_what_the_run_holds(make_config, monkeypatch):
    asked = []

    def budget(wanted, device, *, held):
        assert LEDGER.lock._is_owned()  # until it is reserved, or another session plans with it, too
        asked.append((wanted, device, held))
        return 10**12

    monkeypatch.setattr(stylizers.memory, "budget", budget)
    held = read_inputs(make_config()).nbytes
    for of_stylizer, of_config, expected in ((None, "auto", "auto"), (None, "5GB", "5GB"), ("3GB", "5GB", "3GB")):
        stylizer = Stylizer("builtin", device="cpu", precision="float32", memory=of_stylizer)
        session = stylizer.session(make_config(memory=of_config))
        assert asked.pop() == (expected, "CPU:0", held)
        assert byte_sizes.parse(session.config.memory) == pytest.approx(10**12, rel=0.01)
        session.close()


@pytest.mark.parametrize("memory", ["1MB", "100MB"])
def test_memory_that_will_not_do_is_told_before_the_first_step(begin, memory, reserved):
    with pytest.raises(UsageError, match=r"^memory: expected"):
        begin(memory=memory)
    assert reserved() == 0


def test_what_a_session_takes_at_most_is_reserved_until_it_ends(begin, reserved):
    """By all of its plans; of two sessions, both."""
    first = begin(**TWO_SCALES)
    of_first = max(plan.peak for plan in first.plans) - PROCESS_BYTES
    assert reserved() == of_first > 0
    second = begin(width=300, optimizer="lbfgs")
    of_second = second.plans[0].peak - PROCESS_BYTES
    assert reserved() == of_first + of_second
    list(first)
    assert reserved() == of_second
    del second
    assert reserved() == 0


def test_a_session_that_cannot_be_built_reserves_nothing(fresh, make_config, monkeypatch, reserved):
    for error, kind in ((ValueError("no"), ValueError), (MemoryError(), OutOfMemoryError)):

        def build(*_, error=error, **settings):
            raise error

        graph_cache.clear()
        monkeypatch.setattr(stylizers.Network, "build", build)
        with pytest.raises(kind) as caught:
            fresh.session(make_config(pooling="avg"))
        assert reserved() == 0
        assert "\n" not in str(caught.value)
    monkeypatch.undo()
    fresh.session(make_config(pooling="avg")).close()


# --- several at once --------------------------------------------------------------------------------------------------

SEVERAL = (
    {**TWO_SCALES, "optimizer": "lbfgs", "initial_noiseblend": 1},
    {**IN_PLACE, "styles": [smooth(80, 60, 7), smooth(64, 48, 8)]},
    {"width": 96, "optimizer": "lbfgs", "iterations": 10, "styles": [smooth(80, 60, 7)], "loss": "athalye"},
)


def together(functions):
    """What functions return that are called at once, each in a thread."""
    barrier, outcomes = threading.Barrier(len(functions)), [None] * len(functions)

    def call(index, function):
        barrier.wait()
        try:
            outcomes[index] = function()
        except BaseException as error:
            outcomes[index] = error

    threads = [threading.Thread(target=call, args=each) for each in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


@pytest.fixture(scope="module")
def one_after_the_other(pictures):
    """All steps of `SEVERAL`, with images."""
    from small_runs import small_config

    stylizer = Stylizer("builtin", device="cpu", precision="float32")
    given = {"content": pictures / "photo.png", "styles": [pictures / "style.png"]}
    return [list(stylizer.session(small_config(**{**given, **settings}))) for settings in SEVERAL]


@pytest.mark.parametrize(
    ("shared", "known"),
    [(True, False), (False, True)],
    ids=["one stylizer, traced meanwhile", "a stylizer each, traced before"],
)
def test_sessions_at_once_in_threads_give_the_same_bits(make_config, one_after_the_other, reserved, shared, known):
    if not known:
        graph_cache.clear()
        gc.collect()
    one = Stylizer("builtin", device="cpu", precision="float32")
    most = []

    def run_of(settings):
        stylizer = one if shared else Stylizer("builtin", device="cpu", precision="float32")

        def run():
            steps = []
            for step in stylizer.session(make_config(**settings)):
                _ = step.image
                most.append(reserved())
                steps.append(step)
            return steps

        return run

    for steps, expected in zip(together([run_of(each) for each in SEVERAL]), one_after_the_other, strict=True):
        assert_same(steps, expected)
    assert len(set(most)) > 1  # they overlapped
    assert reserved() == 0


def test_sessions_stepped_in_turn_give_the_same_bits(fresh, make_config, one_after_the_other):
    sessions = [fresh.session(make_config(**settings)) for settings in SEVERAL]
    steps = [[] for _ in sessions]
    going = list(range(len(sessions)))
    while going:
        for index in list(going):
            step = sessions[index].step()
            if step is None:
                going.remove(index)
            else:
                steps[index].append(step)
    for ours, expected in zip(steps, one_after_the_other, strict=True):
        assert_same(ours, expected)


def test_threads_that_step_one_session_share_its_steps(begin, run):
    """Each step goes to one of them."""
    expected, session = run(iterations=12), begin(iterations=12)
    steps = [step for part in together([lambda: list(session)] * 3) for step in part]
    assert_same(sorted(steps, key=lambda step: step.iteration), expected)


def test_graphs_are_built_once_for_threads_that_ask_at_once(make_config, monkeypatch):
    built, real = [], stylizers.Network.build
    monkeypatch.setattr(
        stylizers.Network, "build", lambda *arguments, **settings: built.append(1) or real(*arguments, **settings)
    )
    graph_cache.clear()
    stylizer = Stylizer("builtin", device="cpu", precision="float32")
    graphs = together([lambda: stylizer.session(make_config())._graphs for _ in range(4)])
    assert len(set(map(id, graphs))) == len(built) == 1


def test_a_session_in_a_thread_frees_its_memory_for_another(fresh, make_config, reserved):
    """A failure in one does not touch the other."""
    config = make_config(iterations=8)
    expected = list(fresh.session(config))

    def fails():
        session = fresh.session(dataclasses.replace(config, content_weight=1e38, initial_noiseblend=1.0))
        with pytest.raises(Exception, match="not finite"):
            list(session)

    _, steps = together([fails, lambda: list(fresh.session(config))])
    assert_same(steps, expected)
    assert reserved() == 0
