import warnings

import numpy as np
import pytest
from PIL import Image

from neural_style.cli.loss_history import write_loss_plot
from neural_style.cli.loss_plot import plotted, spread
from neural_style.runs.step import LOSS_NAMES
from neural_style.runs.step_records import StepRecord, records_from_array, records_to_array


def run(*counts, layers=("relu1_1", "relu2_1"), content=("relu4_2",), seconds=0.5):
    """Losses and records of a run of so many iterations at each size."""
    losses, records = {}, {}
    for scale, count in enumerate(counts):
        for at in range(count):
            style = {("style", layer): (number + 1) * 1e6 / (at + 1) for number, layer in enumerate(layers)}
            other = {("content", layer): 10.0 * at for layer in content} | {("tv", "image"): 0.0}
            by_layer = style | other
            number = len(losses)
            sums = {name: sum(value for (term, _), value in by_layer.items() if term == name) for name in LOSS_NAMES}
            losses[number] = {**sums, "total": sum(by_layer.values())}
            records[number] = StepRecord((64 * 2**scale, 48 * 2**scale), seconds * 4**scale, by_layer)
    return losses, records


def curves(axes):
    """Name -> the values of its parts, in order."""
    found = {}
    for line in axes.lines:
        name = line.get_label().lstrip("_")
        if name != "sample" and not name.startswith("child"):
            found.setdefault(name, []).append((list(line.get_xdata()), list(line.get_ydata())))
    return found


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_terms_layers_and_time_have_panels():
    losses, records = run(5, 4)
    terms, style, time = plotted(losses, records).axes
    assert [axes.get_ylabel() for axes in (terms, style)] == ["weighted loss", "style loss by layer"]
    assert terms.get_yscale() == style.get_yscale() == "log"
    assert {*curves(terms)} == {"content", "style", "total"}
    assert {*curves(style)} == {"relu1_1", "relu2_1"}
    assert "0 throughout: tv" in texts(terms)
    assert time.get_ylabel() == "seconds/iteration"
    assert "together 10 s" in texts(time)  # 5 × 0.5 + 4 × 2


def test_curves_are_interrupted_at_the_borders_of_sizes_which_are_named():
    losses, records = run(5, 4)
    axes = plotted(losses, records).axes
    (first_x, first_y), (second_x, second_y) = curves(axes[1])["relu2_1"]
    assert (first_x, second_x) == ([0, 1, 2, 3, 4], [5, 6, 7, 8])
    assert first_y == [2e6 / n for n in (1, 2, 3, 4, 5)]
    assert second_y == [2e6 / n for n in (1, 2, 3, 4)]
    for each in axes:
        assert any(list(line.get_xdata()) == [4.5, 4.5] for line in each.lines)
    assert {"64×48 px", "128×96 px"} <= {*texts(axes[0])}


def test_curves_differ_in_more_than_their_colors_and_are_labeled_at_their_ends():
    losses, records = run(6, layers=[f"relu{block}_{number}" for block in (3, 4, 5) for number in (1, 2, 3, 4)])
    style = plotted(losses, records).axes[1]
    looks = [(line.get_linestyle(), line.get_marker()) for line in style.lines if not line.get_label().startswith("_")]
    assert len(looks) == len(set(looks)) == 12
    labels = [text for text in style.texts if text.get_text().startswith("relu")]
    places = sorted(text.xy[1] for text in labels)
    assert len(places) == 12
    height = style.get_window_extent().height / style.figure.dpi
    assert min(np.diff(places)) * height > 0.12
    assert 0 <= places[0] <= places[-1] <= 1


def test_content_of_several_layers_has_a_panel():
    losses, records = run(4, content=("relu4_2", "relu5_2"))
    assert [axes.get_ylabel() for axes in plotted(losses, records).axes][2] == "content loss by layer"


@pytest.mark.parametrize("known", [0, 3])
def test_what_is_not_known_of_a_run_is_said(known):
    losses, records = run(6)
    figure = plotted(losses, {number: records[number] for number in range(6 - known, 6)})
    assert [text.get_text() for text in figure.texts] == [
        f"sizes, times and losses by layer are not known of iterations 0 to {5 - known}"
    ]
    assert len(figure.axes) == (3 if known else 1)


@pytest.mark.parametrize("counts", [(1,), (2,), (1, 1, 1), (1001,)])
def test_plots_of_few_and_of_many_iterations(counts, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_loss_plot(tmp_path / "plot.tmp", *run(*counts))  # whatever the name: it is a PNG
    with Image.open(tmp_path / "plot.tmp") as image:
        assert image.format == "PNG"
        assert image.width == 1200
        assert 600 < image.height < 1200


@pytest.mark.parametrize(
    ("places", "spaced"),
    [
        ([], []),
        ([0.5], [0.5]),
        ([0.2, 0.8], [0.2, 0.8]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.0, 0.01], [0.0, 0.1]),
        ([1.0, 1.0, 1.0], [0.8, 0.9, 1.0]),
        ([-3.0, 0.5, 7.0], [0.0, 0.5, 1.0]),
    ],
)
def test_labels_are_spread_around_their_places(places, spaced):
    assert spread(places, 0.1) == pytest.approx(spaced)


def test_records_come_back_from_plain_data():
    _, records = run(3, 2)
    records[4] = records[4]._replace(by_layer={("style", "relu1_1"): 7.0}, seconds=1.25)
    array, names = records_to_array(records)
    assert array.shape == (5, 4 + len(names))
    assert records_from_array(array, names) == records
    assert records_from_array(*records_to_array({})) == {}
    with pytest.raises(ValueError, match="zip"):
        records_from_array(array, names[:-1])
