"""Every exception of the package: its message is one line, and the command line exits with its code."""

import ast
import importlib
import inspect
import os
import pkgutil
import re
import signal
from pathlib import Path

import pytest
from command_line import RUN, tree
from small_runs import EXHAUSTED, SMALL, Evaluations

import neural_style
from neural_style.cli import main as cli
from neural_style.cli import painting


def modules():
    """Every module of the package but the one that runs it."""
    for module in pkgutil.walk_packages(neural_style.__path__, "neural_style."):
        if module.name != "neural_style.__main__":
            yield importlib.import_module(module.name)


def exceptions():
    """Name -> class, for every exception that the package defines."""
    found = [
        value
        for module in modules()
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == module.__name__
    ]
    named = {value.__name__: value for value in found}
    assert len(named) == len(found)
    return named


def arguments(*others):
    return lambda _: [*RUN, *others]


def spoiled(monkeypatch):
    Evaluations(monkeypatch).spoil(0)
    return RUN


def exhausted(monkeypatch):
    Evaluations(monkeypatch).fail(EXHAUSTED, lambda *_: True)
    return RUN


def too_early(monkeypatch):
    """Ask a session for its result before it has one."""

    def paint(config, _):
        from neural_style import Config, Stylizer

        values = {**SMALL, "content": config.content, "styles": config.styles}
        stylizer = Stylizer(**{name: values.pop(name) for name in ("weights", "device", "precision")})
        with stylizer.session(Config(**values)) as session:
            session.result()

    monkeypatch.setattr(painting, "paint", paint)
    return RUN


def stopped(monkeypatch):
    monkeypatch.setattr(painting, "import_tensorflow", lambda **_: os.kill(os.getpid(), signal.SIGTERM))
    return RUN


CASES = {
    "NeuralStyleError": (too_early, 1, r"expected a session that has made a step, got one before .*; call step\(\)"),
    "UsageError": (arguments("--width=3"), 2, "--width: expected a whole number >= 32, got 3"),
    "ImageError": (arguments("--content=x.png"), 2, "content picture 'x.png' does not exist; give the path of a .*"),
    "OutputError": (arguments("--output=."), 2, "--output: expected the path of a file, got the folder '.'"),
    "WeightsError": (
        *(arguments("--weights=x.npz"), 2),
        "--weights: x.npz: expected auto, .* or the path of a weights file, got .*",
    ),
    "CheckpointError": (
        lambda _: ["--resume=nowhere"],
        2,
        "--resume: expected a folder with a .*, got .*; begin a run with --workdir",
    ),
    "DivergenceError": (spoiled, 1, r"loss or gradient of the start image is not finite \(the loss is nan\); .*"),
    "OutOfMemoryError": (
        exhausted,
        1,
        "there is too little memory for .*, which takes about .*; close .*, or lower --width",
    ),
    "Interrupted": (stopped, 143, "by SIGTERM"),
}
"""Class -> what provokes it, the exit code, and the message."""

CAUGHT_INSIDE = {"_BrokenError", "_Canceled", "_Stopped", "_TooLongError"}
"""Classes that never leave the module that defines them."""

TOLD_OTHERWISE = {"ExcessError"}
"""Classes that never leave their package, which turns them into others; tests there provoke them."""


def test_every_exception_has_a_case():
    assert {*exceptions()} == {*CASES} | CAUGHT_INSIDE | TOLD_OTHERWISE


@pytest.mark.parametrize("name", CASES)
def test_an_exception_has_one_line_and_an_exit_code(name, folder, monkeypatch, capsys):
    provoke, exit_code, message = CASES[name]
    raised = []
    dispatch = cli._dispatch

    def recorded(arguments):
        try:
            return dispatch(arguments)
        except BaseException as error:
            raised.append(error)
            raise

    monkeypatch.setattr(cli, "_dispatch", recorded)
    before = tree(folder)
    assert cli.main(provoke(monkeypatch)) == exit_code
    (error,) = raised
    assert type(error) is exceptions()[name]
    assert error.exit_code == exit_code
    assert str(error).isprintable() and len(str(error)) < 400
    last = capsys.readouterr().err.splitlines()[-1]
    if name == "Interrupted":
        assert (str(error), last) == (message, "neural_style: stopped")
    else:
        assert re.fullmatch(f"neural_style: error: {message}", last), last
    assert tree(folder) == before


@pytest.mark.parametrize("name", sorted(CAUGHT_INSIDE))
def test_an_exception_stays_in_its_module(name):
    for module in modules():
        names = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.ExceptHandler)]
        catches = any(getattr(node.type, "id", "") == name for node in names)
        assert (name in vars(module)) == catches
    assert not hasattr(exceptions()[name], "exit_code")


def test_exit_codes_are_those_of_the_documents():
    page = Path(neural_style.__file__).parents[1] / "docs" / "flags.md"
    table = re.findall(r"^\| (\d+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {str(code) for _, code, _ in CASES.values()} <= {*table}
