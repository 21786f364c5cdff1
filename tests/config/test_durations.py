"""Lengths of time as text."""

import pytest

from neural_style.config import durations
from neural_style.config.config import Config
from neural_style.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200),
        ("90m", 5400),
        ("1h30m", 5400),
        ("45s", 45),
        ("1.5h", 5400),
        ("1d", 86400),
        (" 1H30M ", 5400),
    ],
)
def test_times(text, seconds):
    assert durations.parse(text, "max_time") == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "0s", "-1h", "1m2h", "1h ago", "99999999d", "inf", "1e3s", "١h"])
def test_what_is_no_time(text):
    with pytest.raises(UsageError, match=r"^max_time: expected a time such as 2h, 90m, 1h30m or 45s, got"):
        durations.parse(text, "max_time")


def test_an_option_is_checked():
    with pytest.raises(UsageError, match=r"^max_time: expected a time such as 2h"):
        Config("a.jpg", "b.jpg", max_time="soon")
