import os
from pathlib import Path

import pytest

from neural_style.compute import threads


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux tells")
def test_threads_of_one_core_count_once(monkeypatch):
    siblings = {0: "0,4", 4: "0,4", 1: "1,5", 2: "2,6"}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(siblings))
    monkeypatch.setattr(Path, "read_text", lambda path, encoding: siblings[int(path.parts[5].removeprefix("cpu"))])
    assert threads.physical_cores() == 3


def test_a_system_that_does_not_tell_of_its_cores(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert threads.physical_cores() is None
