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


def test_mistakes_are_told():
    for arguments in ["--width=31"], ["--width=wide"], ["--repeats=0"], ["--speed"], ["now"]:
        with pytest.raises(UsageError, match=r"^bench: .*sections: eval, optimizer, startup, quality, tiles, memory$"):
            parse(arguments)
