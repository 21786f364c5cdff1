import gc
import threading
import weakref

import numpy as np
import objectives
import pytest
import tensorflow as tf
from objectives import SHALLOW, image_of, picture, resolved, tiled_of, traces, whole_of

from neural_style.compute import graph_cache
from neural_style.compute.graph_cache import MOST_GRAPHS, cached_graphs
from neural_style.compute.loss_weights import loss_spec

CONFIG = resolved(**SHALLOW)
SPEC = loss_spec(CONFIG)


@pytest.fixture(autouse=True)
def empty_cache():
    graph_cache.clear()
    yield
    graph_cache.clear()


class Builds:
    """Builds networks, and counts them."""

    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1
        return objectives.build_network(CONFIG)


def test_what_is_asked_for_again_is_the_same_object():
    build = Builds()
    first = cached_graphs("network", SPEC, "CPU:0", build)
    assert cached_graphs("network", SPEC, "CPU:0", build) is first
    assert cached_graphs("network", loss_spec(resolved(seed=3, tv_weight=0, **SHALLOW)), "CPU:0", build) is first
    assert build.count == 1
    assert first.tiled.whole is first.whole
    assert first.whole.spec == SPEC


def test_network_loss_and_device_tell_graphs_apart():
    build = Builds()
    keys = [("a", SPEC, "CPU:0"), ("b", SPEC, "CPU:0"), ("a", loss_spec(resolved()), "CPU:0"), ("a", SPEC, "GPU:0")]
    made = [cached_graphs(*key, build) for key in keys]
    assert len({id(graphs) for graphs in made}) == len({graphs.key for graphs in made}) == build.count == len(keys)


def test_only_the_last_few_are_kept():
    build = Builds()
    names = [f"network {index}" for index in range(MOST_GRAPHS + 1)]
    kept = [weakref.ref(cached_graphs(name, SPEC, "CPU:0", build).whole) for name in names]
    gc.collect()
    assert [ref() is None for ref in kept] == [True] + [False] * MOST_GRAPHS
    cached_graphs(names[1], SPEC, "CPU:0", build)  # used again, so that it outlives the other
    cached_graphs("new", SPEC, "CPU:0", build)
    assert build.count == MOST_GRAPHS + 2
    cached_graphs(names[1], SPEC, "CPU:0", build)
    assert build.count == MOST_GRAPHS + 2


def test_what_a_run_uses_outlives_the_cache():
    build = Builds()
    used = cached_graphs("network", SPEC, "CPU:0", build)
    graph_cache.clear()
    gc.collect()
    style = picture(33, 34, 2)
    terms, _ = whole_of(CONFIG, picture(33, 34, 1), [style], graphs=used).value_and_grad(tf.zeros((1, 33, 34, 3)))
    assert float(terms.total) > 0
    assert cached_graphs("network", SPEC, "CPU:0", build) is not used


def test_threads_that_ask_at_once_build_once():
    """Those that ask for another network need not wait."""
    inside, go_on, build = threading.Event(), threading.Event(), Builds()
    found = []

    def slow():
        inside.set()
        assert go_on.wait(60)
        return build()

    def ask():
        found.append(cached_graphs("network", SPEC, "CPU:0", slow))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert inside.wait(60)
    other = cached_graphs("another", SPEC, "CPU:0", build)
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert build.count == 2
    assert len(found) == 4
    assert {id(graphs) for graphs in found} == {id(found[0])}
    assert found[0] is not other


def test_a_network_that_cannot_be_built_may_be_tried_again():
    def failing():
        raise MemoryError

    for _ in range(2):
        with pytest.raises(MemoryError):
            cached_graphs("network", SPEC, "CPU:0", failing)
    build = Builds()
    assert cached_graphs("network", SPEC, "CPU:0", build) is cached_graphs("network", SPEC, "CPU:0", build)
    assert build.count == 1


def test_nothing_is_left_of_keys_that_are_gone():
    """A server asks for networks without end."""
    build = Builds()
    for index in range(2 * MOST_GRAPHS):
        for _ in range(2):
            cached_graphs(f"network {index}", SPEC, "CPU:0", build)
    graph_cache.clear()
    assert not graph_cache._cached
    assert not graph_cache._building


def test_a_second_run_traces_nothing():
    build, image = Builds(), tf.constant(image_of(picture(35, 45, 4)))
    counts = []
    for seed in range(2):
        graphs = cached_graphs("network", SPEC, "CPU:0", build)
        content, style = picture(35, 45, seed), picture(41, 34, seed + 5)
        whole_of(CONFIG, content, [style], graphs=graphs).value_and_grad(image)
        tiled_of(CONFIG, content, [style], 16, graphs=graphs).value_and_grad(image.numpy())
        functions = [graphs.whole.value_and_grad, graphs.whole.content_maps, graphs.whole.style_moments]
        for part in graphs.tiled.parts:
            functions += [part.statistics, part.content_maps, part.gradient]
        counts.append(traces(*functions))
    assert counts[0] == counts[1] == [1] * len(functions)


def test_cleared_graphs_are_collected_with_their_networks():
    """After having been traced and used, whole and in tiles; nothing of TensorFlow or Keras keeps them."""
    graphs = cached_graphs("network", SPEC, "CPU:0", Builds())
    image = image_of(picture(35, 45, 4))
    pictures = picture(35, 45, 1), [picture(41, 34, 2)]
    whole_of(CONFIG, *pictures, graphs=graphs).value_and_grad(tf.constant(image))
    tiled_of(CONFIG, *pictures, 16, graphs=graphs).value_and_grad(image)
    model = graphs.whole.network.model
    kept = [weakref.ref(each) for each in (graphs.whole, graphs.tiled, model, model.get_layer("conv1_2").kernel)]
    del graphs, model
    gc.collect()
    assert not any(ref() is None for ref in kept)
    graph_cache.clear()
    gc.collect()
    assert all(ref() is None for ref in kept)


def test_graphs_of_one_network_agree():
    """Those of the whole and of tiles share its weights, which are not copied."""
    graphs = cached_graphs("network", SPEC, "CPU:0", Builds())
    weights = graphs.whole.network.model.weights
    statistics = graphs.tiled.parts[0].statistics.get_concrete_function()
    assert {id(captured) for captured in statistics.graph.variables} <= {id(weight.value) for weight in weights}
    assert np.all([variable.device.endswith("CPU:0") for variable in statistics.graph.variables])
