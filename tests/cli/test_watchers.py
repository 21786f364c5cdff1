"""Tests of what watches a run."""

from __future__ import annotations

from neural_style.cli.watchers import Watchers
from neural_style.errors import OutputError


class _Watcher:
    option = "checkpoint_output"

    def __init__(self, error: Exception | None = None):
        self.error, self.steps, self.closed = error, [], 0

    def update(self, step):
        self.steps.append(step)
        if self.error is not None and len(self.steps) == 2:
            raise self.error

    def close(self):
        self.closed += 1


def test_a_watcher_that_fails_is_closed_and_the_others_go_on(capsys):
    whole = _Watcher()
    failing = [_Watcher(OSError(28, "No space left on device")), _Watcher(OutputError("checkpoint_output: no room"))]
    failing.append(_Watcher(ValueError("a codec is missing")))
    with Watchers([failing[0], whole, *failing[1:]]) as watchers:
        for number in range(4):
            watchers.update(number)
        assert [each.closed for each in failing] == [1, 1, 1]
        assert whole.closed == 0
    assert whole.steps == [0, 1, 2, 3]
    assert whole.closed == 1
    assert [each.steps for each in failing] == [[0, 1]] * 3
    messages = capsys.readouterr().err.splitlines()
    assert len(messages) == 3
    assert all("error: --checkpoint_output: " in each and "the run goes on without it" in each for each in messages)
    assert messages[1].count("checkpoint_output") == 1
