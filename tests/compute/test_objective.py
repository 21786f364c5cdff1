import gc
import weakref
from pathlib import Path

import numpy as np
import objectives
import pytest
import reference
import tensorflow as tf
from objectives import SHALLOW, cosine, image_of, picture, resolved, tiled_of, values, whole_of

from neural_style.compute.loss_graph import moment_term
from neural_style.compute.objective import Objective, WholeObjective, decode, encode, targets_of
from neural_style.compute.tiled_objective import TiledObjective
from neural_style.config.config import Config
from neural_style.networks import weights

SHARED = Path(__file__).resolve().parents[3] / "shared" / "weights" / "vgg19_imagenet_blocks1-3.npz"

SHALLOW_TERMS = {"content_terms": {"relu1_2": 1}, "style_terms": {"relu1_1": 1 / 2, "relu2_1": 1 / 2}, "blend": (1,)}
FIVE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
TV_ALONE = {"loss": "athalye", "content_weight": 0, "style_weight": 0, "tv_weight": 3}
ATHALYE = {"loss": "athalye"}
USUAL = {"style_loss_weights": (1.0, 2.0, 0.25), "style_loss_layers": ("all", "all", "block1+block2+block3")}
FACTORS = (5, 500, 100)  # of athalye's loss
BALANCED = {"balanced": True, "means": 2, "factors": (2**20, 60 * 2**20, 1e-4 * 2**20)}

DEFAULT_TERMS = {"content_terms": {"relu4_2": 1}, "style_terms": dict.fromkeys(FIVE, 1 / 5), "blend": (1,)}
BALANCED_TERMS = dict(zip(FIVE, (0.52, 0.29, 0.13, 0.05, 0.01), strict=True))
BALANCED_SHALLOW = {**SHALLOW_TERMS, "style_terms": {"relu1_1": 0.52 / 0.81, "relu2_1": 0.29 / 0.81}}

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
        {"loss": "balanced", **SHALLOW, "content_weight": 2, "style_weight": 11, "tv_weight": 3e-4},
        {**BALANCED_SHALLOW, **BALANCED, "factors": (2 * 2**20, 11 * 2**20, 3e-4 * 2**20)},
    ),
    "variation alone": (TV_ALONE, {"content_terms": {}, "style_terms": {}, "blend": (1,), "factors": (0, 0, 3)}),
}
"""Name -> (settings of ours, the same said to the reference, with every share worked out by hand)."""

CONTENT, STYLE, OTHER = picture(35, 45, 1), picture(41, 34, 2), picture(33, 47, 3)  # odd, at one depth or another
IMAGE = picture(35, 45, 4)

pytestmark = pytest.mark.usefixtures("full_precision")


@pytest.fixture(scope="module")
def exact_network():
    """The network of random filters for the reference."""
    return reference.in_float64(reference.random_weights())


def objective_of(*, styles=1, kind="float32", **settings):
    """Our objective of the content and the first styles."""
    return whole_of(resolved(styles, **settings), CONTENT, [STYLE, OTHER][:styles], kind)


def expected_objective(exact_network, *, styles=1, **terms):
    """The reference's of the same pictures."""
    content, *others = (picture.astype(np.float64) - exact_network.mean for picture in (CONTENT, STYLE, OTHER))
    return reference.Objective(exact_network, content, others[:styles], **{"factors": FACTORS, **terms})


def assert_agrees(ours, theirs):
    """Losses, and gradients against central differences of the reference, along directions and of single pixels.

    Differences of our own float32 losses would be noise: those are exact to about 1e-7 of the total, and a step short
    enough to stay on one side of the kinks of ReLU and maxima changes the total by little more than that. Once the two
    functions are seen to agree in value, the reference may stand in for ours, with a step of 1e-5 gray levels.
    """
    terms, gradient = ours.value_and_grad(tf.constant(image_of(IMAGE)))
    image = image_of(IMAGE)[0].astype(np.float64)
    expected = theirs(image)
    assert expected.total > 0
    assert values(terms) == pytest.approx(vars(expected), rel=1e-5)
    for name, of_layers in terms.by_layer.items():
        assert sum(map(float, of_layers.values())) == pytest.approx(getattr(expected, name), rel=1e-5)

    gradient = gradient[0].numpy().astype(np.float64)
    rng = np.random.default_rng(0)
    directions = [gradient / np.abs(gradient).max(), rng.normal(size=image.shape), *np.zeros((2, *image.shape))]
    directions[2][17, 29, 1] = directions[3][-1, -1, 2] = 1
    slow = "relu4_2" in theirs.content_terms  # the reference: two directions must do, of which one is the last pixel
    for direction in (directions[0], directions[-1]) if slow else directions:
        rounding = 1e-5 * np.linalg.norm(gradient) * np.linalg.norm(direction)
        slope = theirs.slope(image, direction, 1e-5)
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-3, abs=rounding)


@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradient_against_reference(exact_network, case):
    settings, terms = CASES[case]
    assert_agrees(objective_of(**settings), expected_objective(exact_network, **terms))


@pytest.mark.parametrize("case", ["two styles, balanced", "average pooling"])
def test_losses_and_gradient_where_pooling_drops_odd_rows_and_columns(exact_network, case):
    settings, terms = CASES[case]
    ours, theirs = objective_of(**settings, pool_rounding="down"), expected_objective(exact_network, **terms)
    image = image_of(IMAGE)
    total = float(ours.value_and_grad(tf.constant(image))[0].total)
    assert abs(total / theirs(image[0].astype(np.float64)).total - 1) > 1e-4  # that of rounding up
    assert_agrees(ours, expected_objective(exact_network, **terms, rounding="down"))


def test_our_own_losses_fall_along_our_gradient():
    """The same without the reference, coarsely: along the gradient itself the change rises above the rounding."""
    objective = objective_of(**SHALLOW)
    image = tf.constant(image_of(IMAGE))
    _, gradient = objective.value_and_grad(image)
    ahead, behind = (objective.terms(image + step * gradient / tf.norm(gradient)).total for step in (0.5, -0.5))
    assert float(ahead - behind) == pytest.approx(float(tf.norm(gradient)), rel=1e-2)


def test_gradient_of_variation_is_exact():
    image = image_of(IMAGE)
    _, gradient = objective_of(**TV_ALONE).value_and_grad(tf.constant(image))
    expected = 3 * reference.total_variation_gradient(image[0].astype(np.float64))
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-4, atol=1e-6)


def test_styles_of_other_sizes_than_the_content(exact_network):
    styles = [picture(53, 44, 2), picture(46, 66, 3)]
    ours = whole_of(resolved(2, style_blend_weights=(2, 1), **ATHALYE, **SHALLOW), CONTENT, styles)
    content, *others = (each - exact_network.mean for each in (CONTENT, *styles))
    terms = {**SHALLOW_TERMS, "blend": (2 / 3, 1 / 3), "factors": FACTORS}
    expected = reference.Objective(exact_network, content, others, **terms)(IMAGE - exact_network.mean)
    assert values(ours.terms(tf.constant(image_of(IMAGE)))) == pytest.approx(vars(expected), rel=1e-5)


def test_style_in_terms_of_gatys(exact_network):
    """Where style and content are of one size, the style loss is 500 · Σ w · 4E/C² with E of equation 4."""
    style = picture(35, 45, 2)
    ours = whole_of(resolved(**ATHALYE, **SHALLOW), CONTENT, [style])
    maps, targets = (reference.features(exact_network, x - exact_network.mean, FIVE[:2]) for x in (IMAGE, style))
    expected = 0
    for layer in FIVE[:2]:
        positions, channels = maps[layer][..., 0].size, maps[layer].shape[-1]
        gram, target = ((flat := x[layer].reshape(positions, channels)).T @ flat for x in (maps, targets))
        energy = np.sum((gram - target) ** 2) / (4 * channels**2 * positions**2)
        expected += 500 / 2 * 4 * energy / channels**2
    losses = ours.terms(tf.constant(image_of(IMAGE)))
    assert float(losses.by_name["style"]) == pytest.approx(expected, rel=1e-5)


def test_blended_styles_are_aimed_at_by_their_shares():
    """The gradient by the moments vanishes at the mean of the styles' own, whatever their sizes."""
    config = resolved(2, style_blend_weights=(3, 1), loss="balanced", **objectives.GRAM, **SHALLOW)
    faint = STYLE / 8 + 100  # of far smaller Gram matrices
    objective = whole_of(config, CONTENT, [faint, OTHER])
    graph, targets = objectives.graphs_of(config).whole, objective.style_targets
    term = next(term for term in graph.spec.terms if term.name == "style")
    mean, first = (
        {
            layer: type(of)(*(tf.tensordot(tf.constant(shares), value, 1) for value in of))
            for layer, of in targets.items()
        }
        for shares in ([0.75, 0.25], [1.0, 0.0])
    )
    slopes = [moment_term(term, means, {"style": targets}, objective._weights)[1] for means in (mean, first)]
    for layer in targets:
        assert float(tf.norm(slopes[0][layer].second)) < 1e-4 * float(tf.norm(slopes[1][layer].second))


def test_the_default_adds_a_quarter_of_the_wasserstein_distance_in_the_first_blocks():
    """Over the mean square of the style's features. In tiles it is the same, as far as its roots are exact."""
    layers = {"content_layers": ("relu1_2",), "style_layers": (FIVE[0], FIVE[2], FIVE[3])}
    both = resolved(style_loss=("gram", "mean_std", "wasserstein"), **USUAL, **layers), resolved(**layers)
    assert both[0].style_statistics == Config("a", ["b"], **layers).style_statistics
    assert both[0].statistic_layers == Config("a", ["b"], **layers).statistic_layers
    image = tf.constant(image_of(IMAGE))
    found, without = (float(whole_of(config, CONTENT, [STYLE]).terms(image).by_name["style"]) for config in both)
    network = reference.in_float64(reference.random_weights())
    maps, style = (
        reference.features(network, each.astype(np.float64) - network.mean, FIVE[:3:2]) for each in (IMAGE, STYLE)
    )
    expected = sum(
        share * reference.wasserstein(maps[layer], style[layer]) / np.mean(style[layer] ** 2)
        for layer, share in zip((FIVE[0], FIVE[2]), (0.52 / 0.70, 0.13 / 0.70), strict=True)
    )
    assert found - without == pytest.approx(2**20 * 60 * 0.25 * expected, rel=3e-3)
    in_tiles = tiled_of(both[0], CONTENT, [STYLE], 32).value_and_grad(image_of(IMAGE))
    whole = whole_of(both[0], CONTENT, [STYLE]).value_and_grad(image)
    assert float(in_tiles[0].total) == pytest.approx(float(whole[0].total), rel=1e-4)
    assert objectives.relative_error(in_tiles[1], whole[1]) < 2e-4


def test_targets_are_met_by_the_pictures_themselves():
    config = resolved(**SHALLOW)
    objective, of_itself = whole_of(config, CONTENT, [STYLE]), whole_of(config, IMAGE, [CONTENT])
    content, image = (tf.constant(image_of(each)) for each in (CONTENT, IMAGE))
    usual = objective.terms(image).by_name
    assert float(objective.terms(content).by_name["content"]) < 1e-9 * float(usual["content"])
    assert float(of_itself.terms(content).by_name["style"]) < 1e-9 * float(usual["style"])


@pytest.mark.skipif(not SHARED.exists(), reason="the sample of the ImageNet weights is not here")
def test_style_with_real_filters():
    """A picture has its own style; with red and blue exchanged it has another, as has another picture."""
    config = resolved(content_weight=0, style_layers=FIVE[:3])
    graphs = objectives.build_graphs(config, weights=weights.load(str(SHARED), config.layers))
    objective = whole_of(config, IMAGE, [CONTENT], graphs=graphs)
    views = (CONTENT, CONTENT[..., ::-1], IMAGE)
    same, recolored, other = (float(objective.terms(encode(view, objective.mean)).by_name["style"]) for view in views)
    assert same < 1e-9 * min(recolored, other)


def test_variation_alone_needs_no_network():
    config = resolved(**TV_ALONE)
    assert objectives.build_network(config).model is None
    losses = values(whole_of(config, CONTENT, [STYLE]).terms(tf.constant(image_of(IMAGE))))
    assert losses["content"] == losses["style"] == 0
    assert losses["total"] == losses["tv"] > 0


# --- as an objective --------------------------------------------------------------------------------------------------


def test_objectives_that_share_graphs_do_not_mix():
    """Each has the losses that it would have with graphs of its own."""
    config = resolved(**SHALLOW)
    pictures = [(CONTENT, STYLE, IMAGE), (OTHER, CONTENT, OTHER[::-1]), (CONTENT[:32], OTHER, IMAGE[:32])]
    shared = [whole_of(config, content, [style]) for content, style, _ in pictures]
    for objective, (content, style, image) in zip(shared, pictures, strict=True):
        alone = whole_of(config, content, [style], graphs=objectives.build_graphs(config))
        ours, theirs = (values(each.terms(tf.constant(image_of(image)))) for each in (objective, alone))
        assert ours == pytest.approx(theirs, rel=1e-6)


def test_losses_without_a_gradient_are_the_same():
    image = tf.constant(image_of(IMAGE))
    for kind, off in (("float32", 1e-6), ("float16", 1e-3)):
        objectives.skip_unless_computed(kind)
        objective = objective_of(kind=kind, **SHALLOW)
        assert values(objective.terms(image)) == pytest.approx(values(objective.value_and_grad(image)[0]), rel=off)


def test_images_of_another_size_are_refused():
    objective = objective_of(**SHALLOW)
    for size in ((34, 45), (35, 44), (70, 90), (17, 22), (45, 35)):
        for function in (objective.value_and_grad, objective.terms):
            with pytest.raises(ValueError, match=r"image: expected shape \(1, 35, 45, 3\), got"):
                function(tf.zeros((1, *size, 3)))


def test_encode_and_decode():
    mean = reference.random_weights().mean
    encoded = encode(STYLE, mean)
    assert encoded.dtype == tf.float32
    np.testing.assert_allclose(encoded[0], STYLE - [123.68, 116.779, 103.939], atol=1e-4)
    np.testing.assert_allclose(decode(encoded, mean), STYLE, atol=1e-4)
    assert decode(encoded, mean).dtype == np.float32
    outside = decode(tf.fill((1, 32, 32, 3), -200.0), mean)
    np.testing.assert_allclose(outside[0, 0], [-76.32, -83.221, -96.061], atol=1e-3)  # not clipped


TWO_LAYERS = {**SHALLOW, "content_layers": ("relu1_2", "conv2_2"), "content_layer_weights": (1, 3)}


def objectives_of_all_kinds(config, kind="float32"):
    """Of the content and the style: whole, and in tiles with the content kept and recomputed."""
    return [
        whole_of(config, CONTENT, [STYLE], kind),
        *(tiled_of(config, CONTENT, [STYLE], 16, keep, kind) for keep in (True, False)),
    ]


@pytest.mark.parametrize(
    ("form", "changes"),
    [
        ("mean", {"feature_scale": 0.5}),
        ("mean", {"content_weight": 1e-30}),
        ("sum", {}),
        ("half_sum", {"feature_scale": 0.5}),
        ("relative", {}),
    ],
    ids=str,
)
def test_the_content_distance_is_the_same_for_every_content_loss(exact_network, form, changes):
    pictures = [picture.astype(np.float64) - exact_network.mean for picture in (IMAGE, CONTENT)]
    ours, photo = (reference.features(exact_network, each, TWO_LAYERS["content_layers"]) for each in pictures)
    shares = dict(zip(TWO_LAYERS["content_layers"], (1 / 4, 3 / 4), strict=True))
    sizes = {layer: np.mean(np.var(of_photo, axis=(0, 1))) for layer, of_photo in photo.items()}
    expected = sum(share * np.mean((ours[at] - photo[at]) ** 2) / sizes[at] for at, share in shares.items())
    for objective in objectives_of_all_kinds(resolved(**TWO_LAYERS, content_loss=form, **changes)):
        assert objective.content_distance(tf.constant(image_of(IMAGE))) == pytest.approx(expected, rel=1e-4)
        assert objective.content_distance(image_of(CONTENT)) < 1e-9


def test_the_content_distance_in_other_types():
    for kind, off in (("bfloat16", 0.01), ("float16", 0.002)):
        objectives.skip_unless_computed(kind)
        config = resolved(**TWO_LAYERS)
        exact = whole_of(config, CONTENT, [STYLE]).content_distance(tf.constant(image_of(IMAGE)))
        for objective in objectives_of_all_kinds(config, kind):
            assert objective.content_distance(image_of(IMAGE)) == pytest.approx(exact, rel=off)


def test_the_content_distance_counts_layers_as_the_present_weights_do():
    image = tf.constant(image_of(IMAGE))
    for objective in objectives_of_all_kinds(resolved(**TWO_LAYERS)):
        both, alone = objective.content_distance(image), []
        for shares in ((1, 0), (0, 1)):
            objective.set_weights(resolved(**{**TWO_LAYERS, "content_layer_weights": shares}))
            alone.append(objective.content_distance(image))
        assert both == pytest.approx(alone[0] / 4 + alone[1] * 3 / 4, rel=1e-5)
        objective.set_weights(resolved(**TWO_LAYERS, content_weight=0))
        assert objective.content_distance(image) is None
    for objective in objectives_of_all_kinds(resolved(**SHALLOW, content_weight=0)):
        assert objective.content_distance(image) is None


def test_images_of_another_size_have_no_content_distance():
    for objective in objectives_of_all_kinds(resolved(**SHALLOW)):
        with pytest.raises(ValueError, match=r"image: expected shape \(1, 35, 45, 3\), got"):
            objective.content_distance(tf.zeros((1, 34, 45, 3)))


def test_whole_and_tiled_objectives_have_all_of_the_protocol():
    names = {name for name in vars(Objective) if not name.startswith("_")}
    assert names == {"mean", "shape", "value_and_grad", "set_weights", "content_distance", "release"}
    for kind in (WholeObjective, TiledObjective):
        assert names <= set(dir(kind))


def test_targets_by_the_terms_that_compare_with_them():
    graph = objectives.graphs_of(resolved(**SHALLOW)).whole
    found = targets_of(graph, {"relu1_2": "map", "relu5_1": "not needed"})
    assert found == {"content": {"relu1_2": "map"}}


def test_released_targets_are_gone():
    objective = objective_of(**SHALLOW)
    kept = [
        weakref.ref(objective._targets["content"]["relu1_2"]),
        weakref.ref(objective.style_targets["relu1_1"].second),
    ]
    objective.release()
    gc.collect()
    assert [ref() for ref in kept] == [None, None]


# --- weights that change ----------------------------------------------------------------------------------------------


def test_weights_change_without_a_trace(exact_network):
    """Losses and gradient are then those of a new objective with these weights, and of the reference."""
    image = tf.constant(image_of(IMAGE))
    for base in ({**SHALLOW, "loss": "balanced"}, {**SHALLOW, **ATHALYE}):
        config = resolved(2, **base)
        graphs = objectives.build_graphs(config)
        objective = whole_of(config, CONTENT, [STYLE, OTHER], graphs=graphs)
        before = objective.value_and_grad(image)
        for change in (
            {"content_weight": 50, "tv_weight": 0},
            {"style_blend_weights": (1, 3)},
            {"style_layer_weight_exp": 2.0, "style_weight": 3},
            {"style_weight": 0},
        ):
            changed = resolved(2, **base, **change)
            objective.set_weights(changed)
            terms, gradient = objective.value_and_grad(image)
            expected, slope = whole_of(config, CONTENT, [STYLE, OTHER], graphs=graphs), None
            expected.set_weights(changed)
            expected, slope = expected.value_and_grad(image)
            assert values(terms) == values(expected)
            np.testing.assert_array_equal(gradient, slope)
            if change.get("style_weight") != 0:  # which takes the layers out of a new graph
                alone = whole_of(changed, CONTENT, [STYLE, OTHER])
                assert values(terms) == pytest.approx(values(alone.terms(image)), rel=1e-6)
            assert values(terms) != values(before[0])
        assert values(terms)["style"] == 0
        objective.set_weights(config)
        again = objective.value_and_grad(image)
        assert values(again[0]) == values(before[0])
        np.testing.assert_array_equal(again[1], before[1])
        assert objectives.traces(graphs.whole.value_and_grad, graphs.whole.content_maps) == [1, 1]
    objective.set_weights(resolved(2, **base, content_weight=0.7, style_weight=3, style_blend_weights=(1, 3)))
    terms = {**SHALLOW_TERMS, "styles": 2, "blend": (1 / 4, 3 / 4), "factors": (0.7, 3, 100)}
    assert_agrees(objective, expected_objective(exact_network, **terms))


# --- other types ------------------------------------------------------------------------------------------------------

LOWER = {
    "deep": {"content_layers": ("relu4_1",), "style_layers": ("relu1_1", "relu4_1")},
    "shallow, two styles": {**SHALLOW, "styles": 2},
    "average pooling": {**SHALLOW, "pooling": "avg"},
    "rounded down": {**SHALLOW, "pool_rounding": "down"},
    "before rectification": {"content_layers": ("conv1_1", "relu2_2"), "style_layers": ("relu1_1", "conv3_1")},
    "variation alone": TV_ALONE,
}


@pytest.mark.parametrize(
    ("kind", "off", "cases"),
    [
        ("bfloat16", 0.01, ("deep", "shallow, two styles", "average pooling", "before rectification")),
        ("float16", 0.002, ("deep", "rounded down", "before rectification", "variation alone")),
    ],
)
def test_other_types_against_float32(kind, off, cases):
    """Terms are up to about 0.2 % off in bfloat16, and 0.04 % in float16."""
    objectives.skip_unless_computed(kind)
    image = tf.constant(image_of(IMAGE))
    for case in cases:
        settings = LOWER[case]
        exact, ours = (objective_of(kind=each, **settings) for each in ("float32", kind))
        expected, slope = exact.value_and_grad(image)
        losses, gradient = ours.value_and_grad(image)
        assert values(losses) == pytest.approx(values(expected), rel=off), case
        assert {value.dtype for value in (losses.total, *losses.by_name.values(), gradient)} == {tf.float32}
        assert np.isfinite(gradient).all()
        assert cosine(gradient, slope) > 0.996, case
        assert float(tf.norm(gradient) / tf.norm(slope)) == pytest.approx(1, abs=0.01), case


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_weights_of_the_losses_do_not_leave_the_range_of_a_type(kind):
    """Gradients that float16 could not hold but for scaling."""
    objectives.skip_unless_computed(kind)
    image = tf.constant(image_of(IMAGE))
    for factor in (1e-12, 1e12):
        settings = {**SHALLOW, "content_weight": 5 * factor, "style_weight": 500 * factor, "tv_weight": 0}
        _, slope = objective_of(**settings).value_and_grad(image)
        _, gradient = objective_of(kind=kind, **settings).value_and_grad(image)
        assert np.isfinite(gradient).all()
        assert cosine(gradient / factor, slope / factor) > 0.998


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_a_gradient_of_0_is_0(kind):
    objectives.skip_unless_computed(kind)
    objective = objective_of(kind=kind, **{**SHALLOW, "style_weight": 0, "tv_weight": 0})
    losses, gradient = objective.value_and_grad(tf.constant(image_of(CONTENT)))
    assert float(losses.total) == 0
    assert not np.any(gradient)


# --- the same bits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "size"), [("float32", (192, 256)), ("bfloat16", (96, 128))])
def test_every_evaluation_gives_the_same_bits(kind, size):
    """With layers of content and style at once, at a size at which operations overtake each other."""
    objectives.skip_unless_computed(kind)
    layers = ("relu1_1", "relu2_1", "conv2_2")
    pictures = np.random.default_rng(0).uniform(0, 255, (4, *size, 3)).astype(np.float32)
    config = resolved(2, content_layers=layers, style_layers=layers)
    objective = whole_of(config, pictures[0], pictures[1:3], kind)
    image = tf.constant(image_of(pictures[3]))
    outcomes = set()
    for _ in range(4):
        losses, gradient = objective.value_and_grad(image)
        outcomes.add((*values(losses).items(), gradient.numpy().tobytes()))
    assert len(outcomes) == 1
