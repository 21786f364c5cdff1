from pathlib import Path

import numpy as np
import pytest
import reference
import tensorflow as tf

from neural_style.compute.objective import Losses, LossGraph, Objective, decode, style_term
from neural_style.compute.precision import choose
from neural_style.config.config import Config
from neural_style.errors import UsageError
from neural_style.networks import vgg19 as vgg
from neural_style.networks import weights
from neural_style.runs.inputs import read_inputs

SHARED = Path(__file__).resolve().parents[3] / "shared" / "weights" / "vgg19_imagenet_blocks1-3.npz"

SHALLOW = {"content_layers": ("relu1_2",), "style_layers": ("relu1_1", "relu2_1")}
SHALLOW_TERMS = {"content_terms": {"relu1_2": 1}, "style_terms": {"relu1_1": 1 / 2, "relu2_1": 1 / 2}, "blend": (1,)}
FIVE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
TV_ALONE = {"loss": "athalye", "content_weight": 0, "style_weight": 0, "tv_weight": 3}
ATHALYE = {"loss": "athalye"}
FACTORS = (5, 500, 100)  # of athalye's loss
BALANCED = {"balanced": True, "factors": (2**20, 55 * 2**20, 1e-4 * 2**20)}

DEFAULT_TERMS = {"content_terms": {"relu4_2": 1}, "style_terms": dict.fromkeys(FIVE, 1 / 5), "blend": (1,)}
BALANCED_TERMS = dict(zip(FIVE, (1 / 6, 1.5 / 6, 2 / 6, 1.25 / 6, 0.25 / 6), strict=True))
BALANCED_SHALLOW = {**SHALLOW_TERMS, "style_terms": {"relu1_1": 1 / 2.5, "relu2_1": 1.5 / 2.5}}

CASES = {
    "defaults": ({}, {**DEFAULT_TERMS, "style_terms": BALANCED_TERMS, **BALANCED}),
    "athalye": (ATHALYE, DEFAULT_TERMS),
    "blend of content layers": (
        {**ATHALYE, "content_weight_blend": 0.3, "style_layers": ("relu1_1",)},
        {"content_terms": {"relu4_2": 0.3, "relu5_2": 0.7}, "style_terms": {"relu1_1": 1}, "blend": (1,)},
    ),
    "two styles": (
        {**ATHALYE, **SHALLOW, "styles": 2, "style_blend_weights": (1, 3)},
        {**SHALLOW_TERMS, "styles": 2, "blend": (1 / 4, 3 / 4)},
    ),
    "two equal styles": ({**ATHALYE, **SHALLOW, "styles": 2}, {**SHALLOW_TERMS, "styles": 2, "blend": (1 / 2, 1 / 2)}),
    "growing layer weights": (
        {**ATHALYE, **SHALLOW, "style_layers": ("relu1_1", "relu1_2", "relu2_1"), "style_layer_weight_exp": 2},
        {**SHALLOW_TERMS, "style_terms": {"relu1_1": 1 / 7, "relu1_2": 2 / 7, "relu2_1": 4 / 7}},
    ),
    "explicit layer weights": (
        {**ATHALYE, **SHALLOW, "style_layers": ("relu2_1", "relu1_2", "conv1_1"), "style_layer_weights": (6, 0, 2)},
        {**SHALLOW_TERMS, "style_terms": {"relu2_1": 3 / 4, "conv1_1": 1 / 4}},
    ),
    "average pooling": (
        {**ATHALYE, **SHALLOW, "style_layers": ("relu2_1", "relu3_1"), "pooling": "avg"},
        {**SHALLOW_TERMS, "style_terms": {"relu2_1": 1 / 2, "relu3_1": 1 / 2}, "pooling": "avg"},
    ),
    "explicit content layers": (
        {**ATHALYE, **SHALLOW, "content_layers": ("relu2_2", "conv1_1", "relu1_2")},
        {**SHALLOW_TERMS, "content_terms": dict.fromkeys(("relu2_2", "conv1_1", "relu1_2"), 1 / 3)},
    ),
    "other weights": (
        {**ATHALYE, **SHALLOW, "content_weight": 0.7, "style_weight": 3, "tv_weight": 11},
        {**SHALLOW_TERMS, "factors": (0.7, 3, 11)},
    ),
    "no content": ({**ATHALYE, **SHALLOW, "content_weight": 0}, {**SHALLOW_TERMS, "content_terms": {}}),
    "no style": ({**ATHALYE, **SHALLOW, "style_weight": 0}, {**SHALLOW_TERMS, "style_terms": {}}),
    "no variation": ({**ATHALYE, **SHALLOW, "tv_weight": 0}, {**SHALLOW_TERMS, "factors": (5, 500, 0)}),
    "two styles, balanced": (
        {"loss": "balanced", **SHALLOW, "styles": 2, "style_blend_weights": (1, 3)},
        {**BALANCED_SHALLOW, **BALANCED, "styles": 2, "blend": (1 / 4, 3 / 4)},
    ),
    "layer weights, balanced": (
        {
            "loss": "balanced",
            "content_layers": ("relu1_2", "conv2_2"),
            "style_layers": ("relu1_1", "conv1_2"),
            "style_layer_weights": (3, 1),
        },
        {
            "content_terms": {"relu1_2": 1 / 2, "conv2_2": 1 / 2},
            "style_terms": {"relu1_1": 3 / 4, "conv1_2": 1 / 4},
            "blend": (1,),
            **BALANCED,
        },
    ),
    "other weights, balanced": (
        {"loss": "balanced", **SHALLOW, "content_weight": 10, "style_weight": 100, "tv_weight": 300},
        {**BALANCED_SHALLOW, "balanced": True, "factors": (2 * 2**20, 11 * 2**20, 3e-4 * 2**20)},
    ),
    "variation alone": (TV_ALONE, {"content_terms": {}, "style_terms": {}, "blend": (1,), "factors": (0, 0, 3)}),
}
"""Name -> (settings of ours, the same said to the reference, with every share worked out by hand)."""


def picture(height, width, seed):
    """Coarse blobs under fine noise, each with colors of its own: RGB 0-255."""
    rng = np.random.default_rng(seed)
    blobs = np.kron(rng.uniform(0, 255, (-(-height // 8), -(-width // 8), 3)), np.ones((8, 8, 1)))
    return np.clip(blobs[:height, :width] + rng.normal(0, 20, (height, width, 3)), 0, 255).astype(np.float32)


CONTENT, STYLE, OTHER = picture(34, 44, 1), picture(40, 33, 2), picture(33, 47, 3)  # odd, at one depth or another
IMAGE = picture(34, 44, 4)


pytestmark = pytest.mark.usefixtures("full_precision")


@pytest.fixture(scope="module")
def network():
    """Filters under which nothing can be swapped unseen."""
    return reference.random_weights()


@pytest.fixture(scope="module")
def exact_network(network):
    """The same for the reference."""
    return reference.in_float64(network)


def objective_of(network, *, styles=1, precision="float32", **settings):
    """Our objective of the content and the first styles."""
    graph = LossGraph(Config("content", ["style"] * styles, **settings), network, precision)
    return Objective(graph, CONTENT, [STYLE, OTHER][:styles])


def expected_objective(network, exact_network, *, styles=1, **terms):
    """The reference's of the same pictures."""
    content, *others = (picture.astype(np.float64) - network.mean for picture in (CONTENT, STYLE, OTHER))
    return reference.Objective(exact_network, content, others[:styles], **{"factors": FACTORS, **terms})


@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradient_against_reference(network, exact_network, case):
    """Gradients against central differences of the float64 reference, along directions and of single pixels.

    Differences of our own float32 losses would be noise: those are exact to about 1e-7 of the total, and a step short
    enough to stay on one side of the kinks of ReLU and maxima changes the total by little more than that. Once the two
    functions are seen to agree in value, the reference may stand in for ours, with a step of 1e-5 gray levels.
    """
    ours, theirs = objective_of(network, **CASES[case][0]), expected_objective(network, exact_network, **CASES[case][1])
    losses, gradient = ours.value_and_grad(ours.encode(IMAGE))
    image = ours.encode(IMAGE)[0].numpy().astype(np.float64)
    expected = theirs(image)
    assert expected.total > 0
    for name in Losses._fields:
        assert float(getattr(losses, name)) == pytest.approx(getattr(expected, name), rel=1e-5), name

    gradient = gradient[0].numpy().astype(np.float64)
    rng = np.random.default_rng(0)
    directions = [gradient / np.abs(gradient).max(), *rng.normal(size=(3, *image.shape)), *np.zeros((3, *image.shape))]
    for pixel, place in zip(directions[-3:], [(0, 0, 0), (17, 29, 1), (-1, -1, 2)], strict=True):
        pixel[place] = 1
    slow = "relu4_2" in theirs.content_terms  # the reference: two directions must do
    for direction in directions[::4] if slow else directions:
        noise = 1e-5 * np.linalg.norm(gradient) * np.linalg.norm(direction)
        assert np.sum(gradient * direction) == pytest.approx(theirs.slope(image, direction, 1e-5), rel=1e-3, abs=noise)


def test_our_own_losses_fall_along_our_gradient(network):
    """The same without the reference, coarsely: along the gradient itself the change rises above the rounding."""
    objective = objective_of(network, **SHALLOW)
    image = objective.encode(IMAGE)
    _, gradient = objective.value_and_grad(image)
    ahead, behind = (
        objective.value_and_grad(image + step * gradient / tf.norm(gradient))[0].total for step in (0.5, -0.5)
    )
    assert float(ahead - behind) == pytest.approx(float(tf.norm(gradient)), rel=1e-2)


def test_gradient_of_variation_is_exact(network):
    objective = objective_of(network, **TV_ALONE)
    image = objective.encode(IMAGE)
    _, gradient = objective.value_and_grad(image)
    expected = 3 * reference.total_variation_gradient(image[0].numpy().astype(np.float64))
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-4, atol=1e-6)


def test_styles_at_their_own_sizes_through_style_scales(network, exact_network):
    """From pictures to the loss: each style is scaled to its own width, its aspect kept, and counted by its weight."""
    scaled = {"style_scales": (1, 1.5), "style_blend_weights": (2, 1)}
    config = Config(CONTENT, [STYLE, OTHER], **scaled, **ATHALYE, **SHALLOW)
    inputs = read_inputs(config)
    styles = [style.rgb for style in inputs.styles]
    assert [style.shape for style in styles] == [(53, 44, 3), (46, 66, 3)]
    ours = Objective(LossGraph(config, network), inputs.content.rgb, styles)
    theirs = reference.Objective(
        exact_network,
        CONTENT - network.mean,
        [style - network.mean for style in styles],
        **{**SHALLOW_TERMS, "blend": (2 / 3, 1 / 3), "factors": FACTORS},
    )
    losses, _ = ours.value_and_grad(ours.encode(IMAGE))
    expected = theirs(IMAGE - network.mean)
    assert float(losses.style) == pytest.approx(expected.style, rel=1e-5)
    assert float(losses.total) == pytest.approx(expected.total, rel=1e-5)


def test_style_in_terms_of_gatys(network, exact_network):
    """Where style and content are of one size, the style loss is 500 · Σ w · 4E/C² with E of equation 4."""
    style = picture(34, 44, 2)
    ours = Objective(LossGraph(Config("content", "style", **ATHALYE, **SHALLOW), network), CONTENT, [style])
    maps, targets = (reference.features(exact_network, x - network.mean, FIVE[:2]) for x in (IMAGE, style))
    expected = 0
    for layer in FIVE[:2]:
        positions, channels = maps[layer][..., 0].size, maps[layer].shape[-1]
        gram, target = ((flat := x[layer].reshape(positions, channels)).T @ flat for x in (maps, targets))
        energy = np.sum((gram - target) ** 2) / (4 * channels**2 * positions**2)
        expected += 500 / 2 * 4 * energy / channels**2
    assert float(ours.value_and_grad(ours.encode(IMAGE))[0].style) == pytest.approx(expected, rel=1e-5)


def test_blended_styles_are_aimed_at_by_their_shares(network):
    """The gradient by a Gram matrix vanishes at the mean of the styles' own, whatever their sizes."""
    config = Config("content", ["a", "b"], style_blend_weights=(3, 1), loss="balanced", **SHALLOW)
    faint = STYLE / 8 + 100  # of far smaller Gram matrices
    objective = Objective(LossGraph(config, network), CONTENT, [faint, OTHER])
    targets, of_layers = objective.style_targets, objective._targets.weights.style
    mean = {layer: tf.tensordot(tf.constant([0.75, 0.25]), grams, 1) for layer, grams in targets.items()}
    first = {layer: grams[0] for layer, grams in targets.items()}
    slopes = []
    for grams in (mean, first):
        with tf.GradientTape() as tape:
            tape.watch(grams)
            value = style_term(grams, targets, of_layers)
        slopes.append(tape.gradient(value, grams))
    for layer in targets:
        assert float(tf.norm(slopes[0][layer])) < 1e-4 * float(tf.norm(slopes[1][layer]))


@pytest.mark.parametrize("flat", [0, 128, 255])
def test_a_picture_of_one_color_does_not_outweigh_all_else(network, flat):
    """Its maps hardly vary, and its Gram matrices may all but vanish; what they are divided by has a floor."""
    graph = LossGraph(Config("content", ["style"], loss="balanced", **SHALLOW), network)
    plain = np.full_like(CONTENT, flat)
    usual, *others = (
        Objective(graph, content, [style])._targets.weights
        for content, style in ((CONTENT, STYLE), (plain, STYLE), (CONTENT, plain))
    )
    for unusual in others:
        for of_layers, usually in ((unusual.content, usual.content), (unusual.style, usual.style)):
            for layer, weight in of_layers.items():
                assert 0 < float(tf.reduce_sum(weight)) < 100 * float(tf.reduce_sum(usually[layer]))


def test_targets_are_met_by_the_pictures_themselves(network):
    objective = objective_of(network, **SHALLOW)
    of_content, of_image = (objective.value_and_grad(objective.encode(x))[0] for x in (CONTENT, IMAGE))
    assert float(of_content.content) < 1e-9 * float(of_image.content)
    style_itself = Objective(LossGraph(Config("content", "style", **SHALLOW), network), IMAGE, [CONTENT])
    of_style = style_itself.value_and_grad(style_itself.encode(CONTENT))[0]
    assert float(of_style.style) < 1e-9 * float(of_image.style)


@pytest.mark.skipif(not SHARED.exists(), reason="the sample of the ImageNet weights is not here")
def test_style_with_real_filters():
    """A picture has its own style; with red and blue exchanged it has another, as has another picture."""
    config = Config("content", "style", content_weight=0, style_layers=FIVE[:3])
    objective = Objective(LossGraph(config, weights.load(str(SHARED), config.layers)), IMAGE, [CONTENT])
    views = (CONTENT, CONTENT[..., ::-1], IMAGE)
    same, recolored, other = (float(objective.value_and_grad(objective.encode(x))[0].style) for x in views)
    assert same < 1e-9 * min(recolored, other)


@pytest.mark.parametrize(
    ("settings", "layers"),
    [
        ({}, ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")),
        ({"content_weight_blend": 0}, ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1", "relu5_2")),
        ({"content_weight": 0}, FIVE),
        ({"style_weight": 0}, ("relu4_2",)),
        ({"style_weight": 0, "content_layers": ("conv1_2",)}, ("conv1_2",)),
        ({"content_weight": 0, "style_layer_weights": (1, 0, 1, 0, 0)}, ("relu1_1", "relu3_1")),
        ({"content_weight": 0, "style_layer_weight_exp": 0}, ("relu1_1",)),
    ],
)
def test_only_what_weighs_is_computed(network, monkeypatch, settings, layers):
    asked = []
    real = vgg.build_vgg19

    def build(weights, layers, *settings):
        asked.append(set(layers))
        return real(weights, layers, *settings)

    monkeypatch.setattr(vgg, "build_vgg19", build)
    objective_of(network, **settings)
    assert asked == [set(layers)]


def test_variation_alone_needs_no_network(network, monkeypatch):
    def build(*_):
        raise AssertionError("the network is not needed")

    monkeypatch.setattr(vgg, "build_vgg19", build)
    objective = objective_of(network, **TV_ALONE)
    losses, _ = objective.value_and_grad(objective.encode(IMAGE))
    assert float(losses.content) == float(losses.style) == 0
    assert float(losses.total) == float(losses.tv) > 0


def test_one_trace_serves_all_iterations_and_sizes(network):
    graph = LossGraph(Config("content", ["style"], **SHALLOW), network)
    totals = set()
    for width in (44, 40, 44):
        objective = Objective(graph, CONTENT[:, :width], [STYLE])
        image = objective.encode(IMAGE[:, :width])
        for shift in range(2):
            losses, gradient = objective.value_and_grad(image + float(shift))
            assert gradient.shape == image.shape == objective.shape == (1, 34, width, 3)
            assert gradient.dtype == tf.float32
            assert all(value.shape == () and value.dtype == tf.float32 for value in losses)
            totals.add(float(losses.total))
    assert len(totals) == 4
    for function in (graph.value_and_grad, graph.grams, graph.content_targets):
        assert function.experimental_get_tracing_count() == 1
    objective.losses(image)
    assert graph.losses.experimental_get_tracing_count() == 1


def test_objectives_that_share_a_graph_do_not_mix(network):
    """Each has the losses that it would have with a graph of its own."""
    graph = LossGraph(Config("content", ["style"], **SHALLOW), network)
    pictures = [(CONTENT, STYLE, IMAGE), (OTHER, CONTENT, OTHER[::-1]), (CONTENT[:32], OTHER, IMAGE[:32])]
    shared = [Objective(graph, content, [style]) for content, style, _ in pictures]
    for objective, (content, style, image) in zip(shared, pictures, strict=True):
        alone = Objective(LossGraph(Config("content", ["style"], **SHALLOW), network), content, [style])
        ours, theirs = (float(o.losses(o.encode(image)).total) for o in (objective, alone))
        assert ours == pytest.approx(theirs, rel=1e-6)


def test_losses_without_a_gradient_are_the_same(network):
    objective = objective_of(network, **SHALLOW)
    image = objective.encode(IMAGE)
    np.testing.assert_allclose(objective.losses(image), objective.value_and_grad(image)[0], rtol=1e-6)


@pytest.mark.parametrize("size", [(33, 44), (34, 43), (68, 88), (17, 22)], ids=str)
def test_images_of_another_size_are_refused(network, size):
    objective = objective_of(network, **SHALLOW)
    with pytest.raises(ValueError, match="expected shape"):
        objective.value_and_grad(objective.encode(np.resize(IMAGE, (*size, 3))))


def test_encode_and_decode(network):
    objective = objective_of(network, **TV_ALONE)
    encoded = objective.encode(STYLE)  # of any size
    np.testing.assert_allclose(encoded[0], STYLE - [123.68, 116.779, 103.939], atol=1e-4)
    np.testing.assert_allclose(decode(encoded, objective.mean), STYLE, atol=1e-4)
    assert decode(encoded, objective.mean).dtype == np.float32
    outside = decode(tf.fill((1, 32, 32, 3), -200.0), objective.mean)
    np.testing.assert_allclose(outside[0, 0], [-76.32, -83.221, -96.061], atol=1e-3)  # not clipped


# --- other types ------------------------------------------------------------------------------------------------------


def skip_unless_computed(precision):
    try:
        choose(precision, "CPU:0")
    except UsageError:
        pytest.skip(f"this machine does not compute in {precision}")


def cosine(ours, other):
    return float(tf.reduce_sum(ours * other) / tf.norm(ours) / tf.norm(other))


LOWER = {
    "defaults": {},
    "athalye": ATHALYE,
    "shallow": SHALLOW,
    "two styles": {**SHALLOW, "styles": 2},
    "no style": {**SHALLOW, "style_weight": 0},
    "no content": {**SHALLOW, "content_weight": 0},
    "average pooling": {**SHALLOW, "pooling": "avg"},
    "before rectification": {"content_layers": ("conv1_1", "relu2_2"), "style_layers": ("relu1_1", "conv3_1")},
    "variation alone": TV_ALONE,
}


@pytest.mark.parametrize("case", LOWER)
@pytest.mark.parametrize(("precision", "off"), [("bfloat16", 0.01), ("float16", 0.002)])
def test_other_types_against_float32(network, precision, off, case):
    """Measured: terms up to 0.2 % off in bfloat16, 0.04 % in float16, and cosines from 0.9988 and 0.9999.

    With the defaults, whose loss lets relu5_1 count, of which a picture this small has four positions, 0.9946.
    """
    skip_unless_computed(precision)
    exact, ours = (objective_of(network, precision=kind, **LOWER[case]) for kind in ("float32", precision))
    image = exact.encode(IMAGE)
    expected, slope = exact.value_and_grad(image)
    losses, gradient = ours.value_and_grad(image)
    np.testing.assert_allclose(losses, expected, rtol=off)
    np.testing.assert_allclose(ours.losses(image), losses, rtol=1e-3)
    assert {value.dtype for value in (*losses, gradient)} == {tf.float32}
    assert np.isfinite(gradient).all()
    assert cosine(gradient, slope) > (0.99 if case == "defaults" else 0.996)
    assert float(tf.norm(gradient) / tf.norm(slope)) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_weights_of_the_losses_do_not_leave_the_range_of_a_type(network, precision, factor):
    """Gradients that float16 could not hold but for scaling."""
    skip_unless_computed(precision)
    settings = {**SHALLOW, "content_weight": 5 * factor, "style_weight": 500 * factor, "tv_weight": 0}
    exact, ours = (objective_of(network, precision=kind, **settings) for kind in ("float32", precision))
    _, slope = exact.value_and_grad(exact.encode(IMAGE))
    _, gradient = ours.value_and_grad(exact.encode(IMAGE))
    assert np.isfinite(gradient).all()
    assert cosine(gradient / factor, slope / factor) > 0.998


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_gradient_of_0_is_0(network, precision):
    skip_unless_computed(precision)
    objective = objective_of(network, precision=precision, **{**SHALLOW, "style_weight": 0, "tv_weight": 0})
    losses, gradient = objective.value_and_grad(objective.encode(CONTENT))
    assert float(losses.total) == 0
    assert not np.any(gradient)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_one_trace_serves_all_sizes_in_other_types(network, precision):
    skip_unless_computed(precision)
    graph = LossGraph(Config("content", ["style"], **SHALLOW), network, precision)
    for width in (44, 40):
        objective = Objective(graph, CONTENT[:, :width], [STYLE])
        objective.value_and_grad(objective.encode(IMAGE[:, :width]))
    assert graph.value_and_grad.experimental_get_tracing_count() == 1


# --- the same bits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"content_layers": ("relu1_1", "relu2_1", "relu3_1"), "style_layers": ("relu1_1", "relu2_1", "relu3_1")}],
    ids=["defaults", "layers of content and style at once"],
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_evaluation_gives_the_same_bits(network, options, precision):
    """At a size at which operations overtake each other; smaller pictures come out the same by luck."""
    skip_unless_computed(precision)
    pictures = np.random.default_rng(0).uniform(0, 255, (5, 256, 384, 3)).astype(np.float32)
    graph = LossGraph(Config("photo", ["a", "b", "c"], **options), network, precision)
    objective = Objective(graph, pictures[0], pictures[1:4])
    image = objective.encode(pictures[4])
    outcomes = set()
    for _ in range(8):
        losses, gradient = objective.value_and_grad(image)
        outcomes.add((*(float(loss) for loss in losses), gradient.numpy().tobytes()))
    assert len(outcomes) == 1
