import io
import logging
import warnings

import pytest

from neural_style.cli.console import Console, LogHandler, show_notes, with_dashes
from neural_style.config import presets
from neural_style.config.config import OPTIONS


@pytest.mark.parametrize(
    ("level", "line"),
    [
        (logging.INFO, "neural_style: info: net.h5 is used\n"),
        (logging.WARNING, "neural_style: warning: net.h5 is used\n"),
        (logging.ERROR, "neural_style: error: net.h5 is used\n"),
    ],
)
def test_notes_are_single_lines_on_standard_error(level, line, capsys):
    LogHandler().handle(logging.LogRecord("neural_style", level, __file__, 1, "%s is used", ("net.h5",), None))
    assert capsys.readouterr() == ("", line)


def test_options_are_written_as_flags():
    for name in (*OPTIONS, presets.FLAG):
        assert with_dashes(f"{name}: expected more, got 0") == f"--{name}: expected more, got 0"
        assert with_dashes(f"in 'a.cfg': {name}: expected more") == f"in 'a.cfg': --{name}: expected more"
    for message, shown in (
        ("tv_width and min_scale go together.", "--tv_width and --min_scale go together."),
        ("give save_flags, or bit_depth 8", "give --save_flags, or --bit_depth 8"),
        ("the output: a picture", "the output: a picture"),
        ("lower --width or --style_scales", "lower --width or --style_scales"),
        ("'output: x' exists", "'output: x' exists"),
        ("output: '/a/save_flags' and \"my tv_weight\" exist", "--output: '/a/save_flags' and \"my tv_weight\" exist"),
        (
            "save_flags.txt, a/save_flags, save_flags/b",
            "save_flags.txt, a/save_flags, save_flags/b",
        ),
        ("style_weights and my_tv_weight", "style_weights and my_tv_weight"),
        ("content picture 'a.png' does not exist", "content picture 'a.png' does not exist"),
    ):
        assert with_dashes(message) == shown
        assert with_dashes(shown) == shown


def test_a_stream_spells_out_what_its_encoding_lacks():
    for encoding, written in (("ascii", b"caf\\xe9 \\udcff"), ("utf-8", "café \\udcff".encode())):
        buffer = io.BytesIO()
        stream = Console(io.TextIOWrapper(buffer, encoding=encoding))
        stream.write("café \udcff")
        stream.flush()
        assert buffer.getvalue() == written


def test_what_pillow_says_of_damaged_files_is_one_line(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    log = logging.getLogger("neural_style")
    for name in ("handlers", "level", "propagate"):
        monkeypatch.setattr(log, name, getattr(log, name))
    show_notes()
    text = warnings.formatwarning(
        UserWarning("Corrupt EXIF data.  \n\x1b"), UserWarning, "/x/PIL/TiffImagePlugin.py", 7
    )
    assert text == "neural_style: warning: Corrupt EXIF data. ?\n"
    assert "other.py:7: UserWarning: x" in warnings.formatwarning(UserWarning("x"), UserWarning, "/x/other.py", 7)
