import json
import time

import pytest

from neural_style.networks.weights import failures


@pytest.fixture
def file(tmp_path):
    return tmp_path / "failures.json"


def test_a_failure_is_remembered_under_its_name(file):
    failures.remember(file, "a", "no network")
    assert failures.recent(file, "a").reason == "no network"
    assert 0 <= failures.recent(file, "a").age < 60
    assert failures.recent(file, "b") is None


def test_the_last_one_counts_until_it_is_forgotten(file):
    for name, reason in (("a", "first"), ("b", "other"), ("a", "second")):
        failures.remember(file, name, reason)
    assert failures.recent(file, "a").reason == "second"
    failures.forget(file, "a")
    assert failures.recent(file, "a") is None
    assert failures.recent(file, "b").reason == "other"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (0, "the attempt a moment ago failed (no network)"),
        (60, "the attempt 1 minute ago failed (no network)"),
        (3590, "the attempt 60 minutes ago failed (no network)"),
        (3610, None),
        (-60, None),  # a clock that was set
        (float("nan"), None),
    ],
)
def test_it_counts_for_an_hour(file, age, said):
    file.write_text(json.dumps({"a": {"time": time.time() - age, "reason": "no\nnetwork"}}))
    found = failures.recent(file, "a")
    assert (str(found) if found else None) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "5",
        "null",
        '{"a": 5}',
        '{"a": {}}',
        '{"a": {"time": "x", "reason": "y"}}',
        "[" * 100_000,
        "\udcff",
    ],
    ids=lambda text: text[:20],
)
def test_a_damaged_file_says_nothing_and_is_replaced(file, text):
    file.write_bytes(text.encode(errors="surrogateescape"))
    assert failures.recent(file, "a") is None
    failures.forget(file, "a")
    failures.remember(file, "a", "no network")
    assert failures.recent(file, "a").reason == "no network"


def test_where_it_cannot_be_written_nothing_is_remembered(tmp_path):
    (tmp_path / "file").touch()
    failures.remember(tmp_path / "file" / "failures.json", "a", "no network")
    failures.forget(tmp_path / "file" / "failures.json", "a")
    assert failures.recent(tmp_path / "file" / "failures.json", "a") is None
