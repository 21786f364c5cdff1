"""Serve the page until a signal comes."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import importlib.util
import logging
import os
import socket
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from neural_style.errors import UsageError
from neural_style.web.options import FIRST_PORT, PORTS, Served
from neural_style.web.visitors import PageFolder, Visitors

if TYPE_CHECKING:
    from neural_style.runs.stylizer import Stylizer
    from neural_style.web.handlers import Desk

INSTALL = "pip install 'neural-style[web]', or pip install -e '.[web]' in a checkout"
"""How to get what the page needs."""

_SAFE_PILLOW = 13
"""The first version of Pillow without the flaws that SECURITY.md names. Gradio does not ask for it yet."""

_ENVIRONMENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SSR_MODE": "False",
    "GRADIO_MCP_SERVER": "False",
}
"""Variables that Gradio and its packages read when they are imported. They ask nothing of other machines."""

_CALIBRATED_SIDE = 256


def check(served: Served) -> None:
    """Check that the page can be served, before anything slow is imported.

    Raises:
        UsageError: a package is missing, or too old for visitors from elsewhere.
    """
    if importlib.util.find_spec("gradio") is None:
        raise UsageError(f"web: expected Gradio, which is not installed; {INSTALL}")
    file = Path(served.weights.partition("#")[0]).expanduser()
    if (file.suffix or len(file.parts) > 1) and not file.exists():  # a name without a suffix is looked up later
        raise UsageError(f"weights: expected a file that is there, got {served.weights!r}; give its path")
    version = importlib.metadata.version("pillow")
    if served.is_public and int(version.split(".")[0]) < _SAFE_PILLOW:
        raise UsageError(
            f"host: expected Pillow {_SAFE_PILLOW} or later to decode pictures that others send, got Pillow {version}, "
            "because Gradio asks for an earlier one; run pip install --upgrade --no-deps "
            f"'pillow>={_SAFE_PILLOW}', which works with Gradio"
        )


def listen(served: Served) -> socket.socket:
    """Return a socket that listens.

    Raises:
        UsageError: the port is taken, or this machine does not have the address.
    """
    ports = range(FIRST_PORT, FIRST_PORT + PORTS) if served.port is None else [served.port]
    for port in ports:
        try:
            family, _, _, _, address = socket.getaddrinfo(served.host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        except OSError as error:
            raise UsageError(f"host: expected an address of this machine, got {served.host!r} ({error})") from error
        listening = socket.socket(family, socket.SOCK_STREAM)
        if os.name != "nt":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
            listening.listen(128)  # two sockets may be bound to a port as long as none listens
        except PermissionError as error:
            listening.close()
            raise UsageError(f"port: expected one that this user may take, got {port}; take one above 1023") from error
        except OSError as error:
            listening.close()
            if error.errno in (99, 10049):  # the address is none of this machine
                raise UsageError(f"host: expected an address of this machine, got {served.host!r}") from error
            continue
        return listening
    if served.port is None:
        raise UsageError(
            f"port: expected a free one from {FIRST_PORT} to {FIRST_PORT + PORTS - 1}, got none; give another --port"
        )
    raise UsageError(f"port: expected a free one, got {served.port}, which another program uses; give another")


class Surroundings(Protocol):
    """What the program around the page does for it."""

    def import_tensorflow(self) -> None:
        """Import TensorFlow as the command line does. It is called while the page answers already."""

    def say(self, text: str) -> None:
        """Tell the user something."""

    def until_signal(self, stop: Callable[[], object]) -> AbstractContextManager[None]:
        """Let a signal call a function within a `with` block."""


def serve(served: Served, around: Surroundings) -> None:
    """Serve the page until a signal ends it.

    Args:
        served: how.
        around: what calls this.

    Raises:
        UsageError: see `check` and `listen`.
    """
    check(served)
    listening = listen(served)
    with listening, PageFolder() as folder:
        os.environ.update(_ENVIRONMENT)
        files = folder / "files"  # Gradio copies what lies elsewhere
        files.mkdir()
        os.environ["GRADIO_TEMP_DIR"] = tempfile.tempdir = str(files)
        _serve(served, listening, files, around)


def _serve(served: Served, listening: socket.socket, folder: Path, around: Surroundings) -> None:
    import uvicorn

    from neural_style.web.application import application
    from neural_style.web.handlers import Desk
    from neural_style.web.jobs import Painter

    def prepare() -> Stylizer | None:
        around.import_tensorflow()
        return None if painter.is_closed else calibrated(desk)

    painter = Painter(prepare, served.max_jobs)
    desk = Desk(served, Visitors(folder), painter)
    gate = application(desk)
    address, port = listening.getsockname()[:2]
    place = f"http://{_name_of(address)}:{port}/"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            around.say(f"the page is at {place} (Ctrl-C ends it)")
            painter.start()
            if served.open:
                threading.Thread(target=webbrowser.open, args=[place], daemon=True).start()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield  # they are handled here

    config = uvicorn.Config(
        gate, log_level="warning", server_header=False, timeout_graceful_shutdown=1, limit_concurrency=500, ws="none"
    )
    logging.getLogger("uvicorn.error").addFilter(_is_not_canceled)
    server = Server(config)

    def stop() -> None:
        server.should_exit = True

    try:
        with around.until_signal(stop):
            server.run(sockets=[listening])
    finally:
        painter.close()


def _is_not_canceled(record: logging.LogRecord) -> bool:
    """Return whether a message is not that a page was open when the server ended."""
    return record.exc_info is None or not isinstance(record.exc_info[1], asyncio.CancelledError)


def _name_of(address: str) -> str:
    """Return how people write an address that is listened on."""
    if address in ("0.0.0.0", "::"):
        return socket.gethostname()
    if address == "127.0.0.1":
        return "localhost"
    return f"[{address}]" if ":" in address else address


def calibrated(desk: Desk) -> Stylizer:
    """Return what runs share, ready to paint: the network is loaded and traced, and this machine is measured."""
    from neural_style.config.config import Config
    from neural_style.config.resolve import resolve
    from neural_style.networks import weights
    from neural_style.runs.estimate import seconds_per_pixel
    from neural_style.runs.stylizer import Stylizer
    from neural_style.web.handlers import Calibration

    served = desk.served
    stylizer = Stylizer(
        served.weights,
        device=served.device,
        precision=served.precision,
        memory=None if served.memory == "auto" else served.memory,
    )
    usual = Config("photo", ["style"])
    network = weights.load(served.weights, usual.layers)
    resolved = resolve(usual, network.settings)
    seconds = seconds_per_pixel(stylizer, resolved, network, _CALIBRATED_SIDE)
    desk.calibration = Calibration(seconds, network, stylizer.precision.precision, stylizer.device)
    return stylizer
