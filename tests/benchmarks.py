"""What the tests of the benchmark share."""

from neural_style.bench import suite
from neural_style.bench.options import Options
from neural_style.example_pictures import example_picture

SHALLOW = {"content_layers": ("relu1_2",), "style_layers": ("relu1_1", "relu2_1"), "style_layer_weights": (2, 1)}
"""Settings under which little of the network is computed."""


def change_settings(monkeypatch, **settings):
    """Change the settings of all runs and evaluations."""
    config = Options.config
    monkeypatch.setattr(Options, "config", lambda given, **changes: config(given, **{**settings, **changes}))


def options(*sections, **changes):
    """What to measure, small."""
    given = {
        "widths": (48,),
        "repeats": 1,
        "short": True,
        "weights": "builtin",
        "precision": "auto",
        "preset": None,
        "content": str(example_picture("lakeside.jpg")),
        "style": str(example_picture("swirls.jpg")),
        "pictures": None,
        "json": None,
    }
    return Options(sections=sections, **{**given, **changes})


def rows_of(section, **changes):
    """Rows of one section, measured small."""
    return suite.measure(options(section, **changes), say=lambda _: None)[section]
