"""What stands before the page: every request passes, or is refused before Gradio sees it.

Only addresses that the page itself uses exist. A request must be for a name of this server and from its own pages, and
no larger than what is expected there. Files are sent to whom they belong, and only they can be named in requests.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

from neural_style.web.options import is_loopback
from neural_style.web.visitors import COOKIE, Visitor, Visitors, is_token, new_token

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BODY = 2**20
"""Most bytes of a request that is no upload. A form with a long list of settings has some thousands."""

MOST_LAYER = 2 * 10**7
"""Most bytes of a layer that was painted on a photo."""

_UPLOAD_MARGIN = 2**16
"""Bytes that the form around a file may add."""

_API = "/gradio_api"
_UPLOAD, _FILE, _EDITOR = f"{_API}/upload", f"{_API}/file=", f"{_API}/component_server"
_LOGIN = "/login"

_READ = re.compile(
    r"/|/config|/theme\.css|/favicon\.ico|/robots\.txt"
    r"|/(assets|static|svelte)/.*"
    rf"|{_API}/(info|startup-events|theme\.css|user|login_check|queue/data|upload_progress|app_id)"
    rf"|{_API}/(heartbeat|call)/.*|{_API}/file=.*"
)
_WRITE = re.compile(
    rf"{_LOGIN}|{_API}/(upload|queue/join|cancel|reset|component_server)|{_API}/(run|api)/[\w-]+|{_API}/call/[\w/-]+"
)
"""The paths that exist, for reading and for posting. Monitoring, run history, streams, proxies and the rest do not."""

_FAILED_LOGINS, _PER_SECONDS = 10, 60.0
"""After that many wrong passwords within that time, all have to wait."""

_PLACES = {"path", "url"}
"""Keys of files in requests."""

_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' blob: data:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Gate:
    """ASGI middleware around the whole application."""

    def __init__(self, app: App, visitors: Visitors, host: str, allow_host: str | None, upload_bytes: int):
        """Prepare.

        Args:
            app: the application.
            visitors: whose files are whose.
            host: the address that is listened on.
            allow_host: a further name of the server; None for none.
            upload_bytes: size of the largest file that may be sent.
        """
        self._app, self._visitors = app, visitors
        self._most_upload = upload_bytes + _UPLOAD_MARGIN
        self._names = {"localhost", host.lower(), *([allow_host.lower()] if allow_host else [])}
        self._any_number = not is_loopback(host)
        if self._any_number:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        self._failed_logins: list[float] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # the page uses none
            return
        headers = _headers_of(scope)
        if problem := self._problem(scope, headers):
            await _refuse(send, *problem)
            return
        token, others = _token(scope)
        is_new = token is None
        token = token or new_token()
        # what follows sees exactly one cookie of ours, the one that was accepted
        cookie = "; ".join([*others, f"{COOKIE}={token}"])
        scope["headers"] = [pair for pair in scope["headers"] if pair[0].lower() != b"cookie"]
        scope["headers"].append((b"cookie", cookie.encode("latin-1")))
        is_told = is_new and not scope["path"].startswith("/assets")  # which caches may share
        await self._pass_on(scope, receive, _Answer(send, token if is_told else None), token, headers)

    def _problem(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Return status and reason if a request is refused for what its head says."""
        if not self._is_ours(_host_of(headers.get("host", ""))):
            return 403, "this server has another name; open it by the address that it printed, or see --allow_host"
        if _is_foreign(headers):
            return 403, "requests from other pages are refused"
        path, method = scope["path"], scope["method"]
        known = _READ if method in ("GET", "HEAD") else _WRITE if method == "POST" else None
        if known is None:
            return 405, "this page knows GET and POST alone"
        return self._problem_of_path(known, path, method) or self._problem_of_size(path, headers)

    def _problem_of_path(self, known: re.Pattern[str], path: str, method: str) -> tuple[int, str] | None:
        if known.fullmatch(path.rstrip("/") or "/") is None or ".." in path.split("/"):
            return 404, "there is nothing here"
        if path.rstrip("/") == _LOGIN and method == "POST" and self._has_failed_often():
            return 429, "too many wrong passwords; wait a minute"
        return None

    def _problem_of_size(self, path: str, headers: dict[str, str]) -> tuple[int, str] | None:
        length = headers.get("content-length", "0")
        return None if length.isdigit() and int(length) <= self._most(path) else (413, self._too_large(path))

    def _is_ours(self, host: str) -> bool:
        try:
            number = ipaddress.ip_address(host)
        except ValueError:
            return host in self._names
        return self._any_number or number.is_loopback

    def _most(self, path: str) -> int:
        """Return the most bytes of a body."""
        return {_UPLOAD: self._most_upload, _EDITOR: MOST_LAYER + _UPLOAD_MARGIN}.get(path.rstrip("/"), MOST_BODY)

    def _too_large(self, path: str) -> str:
        if path.rstrip("/") != _UPLOAD:
            return "the request is too large"
        return f"expected a file of at most {(self._most_upload - _UPLOAD_MARGIN) / 1e6:.0f} MB, got a larger one"

    def _has_failed_often(self) -> bool:
        now = time.monotonic()
        self._failed_logins = [each for each in self._failed_logins if now - each < _PER_SECONDS]
        return len(self._failed_logins) >= _FAILED_LOGINS

    async def _pass_on(
        self, scope: Scope, receive: Receive, answer: _Answer, token: str, headers: dict[str, str]
    ) -> None:
        path, visitor = scope["path"].rstrip("/"), self._visitors.known(token)
        if path.startswith(_FILE):
            if not self._visitors.may_read(visitor, scope["path"][len(_FILE) :]):
                await _refuse(answer.send, 403, "this file is somebody else's, or there is none")
                return
            await self._app(scope, receive, answer)
            return
        if scope["method"] != "POST":
            await self._app(scope, _Counted(receive, MOST_BODY), answer)
        elif path == _LOGIN:
            await self._login(scope, receive, answer)
        elif path in (_UPLOAD, _EDITOR):
            await self._upload(scope, receive, answer, visitor, token, headers)
        else:
            await self._call(scope, receive, answer, visitor, headers)

    async def _call(
        self, scope: Scope, receive: Receive, answer: _Answer, visitor: Visitor, headers: dict[str, str]
    ) -> None:
        """Let a function be called, with files of the visitor alone."""
        body = await _read(receive, MOST_BODY)
        if body is None:
            await _refuse(answer.send, 413, self._too_large(scope["path"]))
        elif problem := self._problem_of_body(body, visitor, headers):
            await _refuse(answer.send, *problem)
        else:
            await self._app(scope, _replayed(body, receive), answer)

    async def _login(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Let a password be tried. It counts as wrong until it is right, so that many at once count, too."""
        began = time.monotonic()
        self._failed_logins.append(began)
        await self._app(scope, _Counted(receive, MOST_BODY), answer)
        if answer.status == 200:
            self._failed_logins.remove(began)

    async def _upload(
        self,
        scope: Scope,
        receive: Receive,
        answer: _Answer,
        visitor: Visitor,
        token: str,
        headers: dict[str, str],
    ) -> None:
        """Let a file in, and note whose it is."""
        path = scope["path"].rstrip("/")
        if not headers.get("content-type", "").lower().startswith("multipart/form-data"):
            await _refuse(answer.send, 415, "expected a file in a form")
            return
        size = int(headers["content-length"]) if "content-length" in headers else self._most(path)
        if not self._visitors.expect(visitor, size):
            await _refuse(answer.send, 413, "there is no room for more files; wait until your pictures are painted")
            return
        counted = _Counted(receive, self._most(path))
        if path == _UPLOAD:
            answer.on_body = lambda body: self._visitors.note_files(token, _paths_in(body), counted.size)
        answer.replaced_by = lambda: (413, self._too_large(path)) if counted.is_exceeded else None
        try:
            await self._app(scope, counted, answer)
        except Exception:
            if not counted.is_exceeded:
                raise
        finally:
            self._visitors.has_come(visitor, size)

    def _problem_of_body(self, body: bytes, visitor: Visitor, headers: dict[str, str]) -> tuple[int, str] | None:
        """Return status and reason if a request names a file that is not the visitor's, or an address."""
        if not body:
            return None
        try:
            values = json.loads(body)
        except (ValueError, RecursionError):
            return 400, "expected JSON"
        for key, place in _places_in(values):
            if not place:
                continue
            path = _path_in(place, headers.get("host", "")) if key == "url" else place
            if not isinstance(path, str) or not self._visitors.may_read(visitor, path):
                return 403, "expected a file that was sent to this page, got another; send the file"
        return None


class _Answer:
    """Passes an answer on, with the headers of every answer and maybe a new cookie."""

    def __init__(self, send: Send, new_token: str | None):
        self._send, self._new_token = send, new_token
        self.status = 0
        self.on_body: Callable[[bytes], object] | None = None
        """Takes the body of an answer without problems, before its end is sent."""
        self.replaced_by: Callable[[], tuple[int, str] | None] = lambda: None
        """Returns status and reason of a refusal that is sent instead; None to pass the answer on."""
        self._body = b""
        self._is_replaced = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Pass a message on."""
        await self(message)

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if self._is_replaced:
            return
        if message["type"] == "http.response.start":
            if refusal := self.replaced_by():
                self._is_replaced, self.status = True, refusal[0]
                await _refuse(self._send, *refusal)
                return
            self.status = message["status"]
            names = {name.lower() for name, _ in message.get("headers", [])}
            more = [(name.encode(), value.encode()) for name, value in _HEADERS.items() if name.encode() not in names]
            if self._new_token is not None:
                cookie = f"{COOKIE}={self._new_token}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"
                more.append((b"set-cookie", cookie.encode()))
            message = {**message, "headers": [*message.get("headers", []), *more]}
        elif message["type"] == "http.response.body" and self.on_body is not None and self.status == 200:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                self.on_body(self._body)  # before the answer is complete, so that what follows finds it noted
        await self._send(message)


class _Counted:
    """Receives a body, and ends the request when it becomes too large."""

    def __init__(self, receive: Receive, most: int):
        self._receive, self._most = receive, most
        self.size = 0

    async def __call__(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self.size += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.is_exceeded else message

    @property
    def is_exceeded(self) -> bool:
        """Whether more came than may."""
        return self.size > self._most


async def _read(receive: Receive, most: int) -> bytes | None:
    """Return a whole body; None if it is larger than `most` bytes."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return body
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body"):
            return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a function that gives a body that was read already, and then what comes after it."""
    is_given = False

    async def again() -> MutableMapping[str, Any]:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _headers_of(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _host_of(header: str) -> str:
    """Return the name or number in a Host header, without the port."""
    try:
        place = urlsplit(f"//{header}")
        _ = place.port  # raises if that is no number
        return (place.hostname or "").lower()
    except ValueError:
        return ""


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _is_foreign(headers: dict[str, str]) -> bool:
    """Return whether a request comes from another page than this server's."""
    origin = headers.get("origin")
    if origin is not None and _netloc(origin) != headers.get("host", "").lower():
        return True
    is_embedded = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    return is_embedded and headers.get("sec-fetch-mode") != "navigate"


def _token(scope: Scope) -> tuple[str | None, list[str]]:
    """Return the visitor's cookie, None if there is none that can be one, and the other cookies as they came."""
    headers = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"cookie"]
    parts = [part.strip() for header in headers for part in header.split(";") if part.strip()]
    own = [part.partition("=")[2] for part in parts if part.partition("=")[0].strip() == COOKIE]
    others = [part for part in parts if part.partition("=")[0].strip() != COOKIE]
    return next((value for value in own if is_token(value)), None), others


def _path_in(url: Any, host: str) -> Any:
    """Return the path in the address of one of this server's files, and any other value as it is."""
    if not isinstance(url, str):
        return url
    try:
        place = urlsplit(url)
    except ValueError:
        return url
    is_ours = place.netloc in ("", host) and place.path.startswith(_FILE) and not (place.query or place.fragment)
    return unquote(place.path[len(_FILE) :]) if is_ours else url


def _places_in(value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield everything in a request that Gradio might take for the place of a file, with its key."""
    if depth > 20:
        yield "path", "\0"  # which nobody owns
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in _PLACES and not isinstance(inner, (dict, list)):
                yield key, inner
            else:
                yield from _places_in(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _places_in(inner, depth + 1)


def _paths_in(body: bytes) -> list[str]:
    """Return the paths in the answer to an upload."""
    try:
        paths = json.loads(body)
    except ValueError:
        return []
    return [path for path in paths if isinstance(path, str)] if isinstance(paths, list) else []


async def _refuse(send: Send, status: int, reason: str) -> None:
    body = json.dumps({"detail": reason, "error": reason}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
