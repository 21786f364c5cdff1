import pytest

from neural_style.bench.options import parse
from neural_style.bench.sections import SECTIONS
from neural_style.errors import UsageError


def test_defaults_and_flags():
    parsed = parse([])
    assert (parsed.sections, parsed.widths, parsed.repeats, parsed.short) == (tuple(SECTIONS), (), 7, False)
    parsed = parse(["quality", "--width=64", "--width=48", "--repeats=2", "--short", "eval", "--json=x.json"])
    assert (parsed.sections, parsed.widths, parsed.repeats) == (("eval", "quality"), (64, 48), 2)
    assert (parsed.short, parsed.json, parsed.pictures) == (True, "x.json", None)


def test_a_preset_is_measured_by_all_sections_but_quality():
    parsed = parse(["--preset", "crowson"])
    assert parsed.preset == "crowson"
    assert parsed.sections == tuple(name for name in SECTIONS if name != "quality")
    assert parse(["--preset=crowson", "tiles", "eval"]).sections == ("eval", "tiles")
    with pytest.raises(UsageError, match=r"^bench: expected sections .*\(eval, .*\), got quality; leave it out"):
        parse(["eval", "quality", "--preset", "crowson"])
    with pytest.raises(UsageError, match=r"^preset: expected one of .*, got 'crowso'; did you mean crowson\?$"):
        parse(["--preset", "crowso"])


def test_settings_are_the_presets_but_for_what_is_given():
    config = parse(["--preset", "crowson", "--weights=builtin", "--precision", "float32"]).config(width=64)
    assert (config.padding, config.optimizer, config.average_iterates) == ("replicate", "adam", 0.99)
    assert (config.weights, config.precision, config.width) == ("builtin", "float32", 64)
    other = parse(["--preset", "crowson"]).config(optimizer="lbfgs")
    assert (other.padding, other.optimizer, other.average_iterates) == ("replicate", "lbfgs", 0)
    assert parse([]).config().given <= {"content", "styles"}


def test_mistakes_are_told():
    for arguments in ["--width=31"], ["--width=wide"], ["--repeats=0"], ["--speed"], ["now"]:
        with pytest.raises(UsageError, match=r"^bench: .*sections: eval, optimizer, startup, quality, tiles, memory$"):
            parse(arguments)
