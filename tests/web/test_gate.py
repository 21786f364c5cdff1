"""Tests of who is let in, with an application that notes what reaches it."""

import asyncio
import json

import httpx
import pytest

from neural_style.web import gate as gates
from neural_style.web.gate import MOST_BODY, Gate
from neural_style.web.visitors import COOKIE, Visitors, new_token

HOST = "http://127.0.0.1:7860"


class _App:
    """Answers every request, and notes it."""

    def __init__(self):
        self.seen = []
        self.answer = b"[]"
        self.status = 200

    async def __call__(self, scope, receive, send):
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.seen.append((scope["method"], scope["path"], body, dict(scope["headers"])))
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": self.answer})


class _Browser:
    """Sends requests through a gate."""

    def __init__(self, folder, host="127.0.0.1", allow_host=None, upload_bytes=10**6):
        self.app, self.visitors = _App(), Visitors(folder)
        self.gate = Gate(self.app, self.visitors, host, allow_host, upload_bytes)

    def ask(self, method, address, token=None, **request):
        if "/upload" in str(address):
            form = {"content-type": "multipart/form-data; boundary=x"}
            request["headers"] = {**form, **request.get("headers", {})}
        cookie = {} if token is None else {"cookie": f"{COOKIE}={token}"}
        request["headers"] = {**request.get("headers", {}), **cookie}

        async def run():
            transport = httpx.ASGITransport(self.gate)
            async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
                return await client.request(method, address, **request)

        return asyncio.run(run())


@pytest.fixture
def browser(tmp_path):
    """A browser on the machine of the server."""
    return _Browser(tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        *("/monitoring", "/monitoring/summary", "/monitoring/key", "/gradio_api/runs", "/gradio_api/runs/"),
        *("/gradio_api/run-history/records", "/gradio_api/mcp/sse", "/gradio_api/mcp/", "/gradio_api/openapi.json"),
        *(
            "/gradio_api/deep_link",
            "/gradio_api/stream/a/1/2/playlist.m3u8",
            "/gradio_api/token",
            "/docs",
            "/openapi.json",
        ),
        *(
            "/gradio_api/proxy=http://example.org/",
            "/gradio_api/file/etc/passwd",
            "/dev/reload",
            "/assets/../../etc/passwd",
        ),
        *(
            "/gradio_api/vibe-code",
            "/logout",
            "/gradio_api/profiling/traces",
            "/gradio_api/custom_component/a/b/c/d",
            "/x",
        ),
    ],
)
def test_what_the_page_does_not_use_does_not_exist(browser, path):
    url = httpx.URL(HOST).copy_with(raw_path=path.encode())
    assert browser.ask("GET", url).status_code == 404
    assert browser.ask("POST", url).status_code in (403, 404)
    assert not browser.app.seen


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(browser, method):
    assert browser.ask(method, "/gradio_api/run/predict").status_code == 405


def test_the_page_is_let_through_with_its_headers(browser):
    answer = browser.ask("GET", "/")
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "http:" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    token = answer.cookies[COOKIE]
    assert f"{COOKIE}={token}".encode() in browser.app.seen[0][3][b"cookie"]  # the page finds it at once
    again = browser.ask("GET", "/", token=token)
    assert "set-cookie" not in again.headers
    assert "set-cookie" in browser.ask("GET", "/", token="guessed").headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("127.0.0.1:7860", 200), ("localhost", 200), ("LOCALHOST:1", 200), ("[::1]:7860", 200), ("127.0.0.9", 200)),
        *(("evil.example", 403), ("192.168.1.7", 403), ("localhost.evil.example", 403), ("", 403), ("[", 403)),
        *(("localhost@evil.example", 403), ("evil.example:7860", 403), ("localhost:80.evil.example", 403)),
    ],
)
def test_a_forged_host_is_refused(browser, host, status):
    assert browser.ask("GET", "/", headers={"host": host}).status_code == status


def test_a_server_for_others_is_reached_by_numbers_and_by_the_names_it_is_given(tmp_path):
    browser = _Browser(tmp_path, "0.0.0.0", "styles.example")
    for host, status in (("192.168.1.7:7860", 200), ("styles.example", 200), ("evil.example", 403)):
        assert browser.ask("GET", "/", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8080"},
        {"origin": "https://localhost:7860"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/gradio_api/run/predict"), ("GET", "/config")])
def test_other_pages_are_refused(browser, headers, method, path):
    assert browser.ask(method, path, headers=headers, content=b"{}").status_code == 403
    assert not browser.app.seen


def test_own_pages_and_links_to_the_page_are_not(browser):
    assert browser.ask("POST", "/gradio_api/run/predict", headers={"origin": HOST}, content=b"{}").status_code == 200
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert browser.ask("GET", "/", headers=link).status_code == 200


def _chunks(size):
    async def chunks():
        for _ in range(size // 1000):
            yield b" " * 1000

    return chunks()


def test_large_bodies_are_refused_by_their_length_and_by_counting(browser):
    for path, most in (("/gradio_api/run/predict", MOST_BODY), ("/gradio_api/upload", 10**6 + 2**16)):
        assert browser.ask("POST", path, content=b"0" * (most + 1)).status_code == 413
        assert not browser.app.seen
        assert browser.ask("POST", path, content=_chunks(most + 2000)).status_code == 413
        browser.app.seen.clear()
    forged = {"content-length": "2000000000"}
    assert browser.ask("POST", "/gradio_api/upload", headers=forged, content=b"").status_code == 413
    assert browser.ask("POST", "/gradio_api/upload", headers={"content-length": "-1"}, content=b"").status_code == 413


@pytest.mark.parametrize(
    "data",
    [
        {"path": "/etc/passwd"},
        {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {"path": "http://169.254.169.254/latest"},
        {"path": "https://example.org/a.png"},
        {"path": "../../etc/passwd"},
        {"path": 5},
        {"path": "{own}", "url": "http://169.254.169.254/latest"},
        {"path": "{own}", "url": "data:image/png;base64,AAAA"},
        {"path": "{own}", "url": "http://127.0.0.1:7860/gradio_api/file=/etc/passwd"},
        [[{"deep": [{"path": "file:///etc/passwd"}]}]],
        {"path": "{other}"},
    ],
)
@pytest.mark.parametrize("path", ["/gradio_api/run/predict", "/gradio_api/queue/join", "/gradio_api/call/paint"])
def test_files_of_others_and_addresses_cannot_be_named(browser, data, path):
    token = new_token()
    own, other = (browser.visitors.of(each).new_file("a.png") for each in (token, new_token()))
    text = json.dumps({"data": [data]}).replace("{own}", str(own)).replace("{other}", str(other))
    answer = browser.ask("POST", path, content=text, token=token)
    assert answer.status_code == 403
    assert "send the file" in answer.text
    assert not browser.app.seen


def test_own_files_can_be_named_and_bodies_arrive_whole(browser):
    token = new_token()
    own = str(browser.visitors.of(token).new_file("a b.png"))
    body = json.dumps({"data": [{"path": own, "url": f"{HOST}/gradio_api/file={own}"}, None, {"url": None}, "text"]})
    assert browser.ask("POST", "/gradio_api/run/predict", content=body, token=token).status_code == 200
    assert browser.app.seen[0][2] == body.encode()


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b'{"path": "\xff"}'])
def test_bodies_that_are_no_json_are_refused(browser, body):
    assert browser.ask("POST", "/gradio_api/run/predict", content=body).status_code == 400


def test_what_is_nested_too_deep_is_refused(browser):
    assert browser.ask("POST", "/gradio_api/run/predict", content=b"[" * 100 + b"]" * 100).status_code == 403


def test_a_file_that_was_sent_belongs_to_who_sent_it(browser):
    ann, bob = new_token(), new_token()
    browser.app.answer = b'["/tmp/files/0/a b.png"]'
    assert browser.ask("POST", "/gradio_api/upload", content=b"0123", token=ann).status_code == 200
    assert sum(browser.visitors.of(ann).uploads.values()) == 4
    assert browser.visitors.of(ann).coming == 0
    for token, status in ((ann, 200), (bob, 403)):
        address = "/gradio_api/file=/tmp/files/0/a%20b.png"
        assert browser.ask("GET", address, token=token).status_code == status
    assert browser.ask("GET", "/gradio_api/file=/etc/passwd", token=ann).status_code == 403


def test_without_room_no_file_is_let_in(browser, monkeypatch):
    monkeypatch.setattr("neural_style.web.visitors.MOST_UPLOADED", 3)
    assert browser.ask("POST", "/gradio_api/upload", content=b"0123").status_code == 413
    assert not browser.app.seen


@pytest.mark.parametrize("before", ['pref={"a":1}', "a b", "a=b", "x", f"{COOKIE}=guessed", '="'])
def test_cookies_of_other_programs_change_nothing(browser, before):
    token = new_token()
    own = str(browser.visitors.of(token).new_file("a.png"))
    headers = {"cookie": f"{before}; {COOKIE}={token}; after=1"}
    answer = browser.ask("GET", f"/gradio_api/file={own}", headers=headers)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    seen = browser.app.seen[0][3][b"cookie"].decode()
    assert seen.count(COOKIE) == 1
    assert seen.endswith(f"after=1; {COOKIE}={token}")


def test_of_two_cookies_the_page_sees_the_one_that_was_checked(browser):
    ann, bob = new_token(), new_token()
    own = str(browser.visitors.of(bob).new_file("a.png"))
    headers = {"cookie": f"{COOKIE}={ann}; {COOKIE}={bob}"}
    assert browser.ask("GET", f"/gradio_api/file={own}", headers=headers).status_code == 403
    browser.ask("GET", "/", headers=headers)
    assert browser.app.seen[0][3][b"cookie"] == f"{COOKIE}={ann}".encode()


def test_a_name_is_decoded_once(browser):
    token = new_token()
    own = str(browser.visitors.of(token).new_file("My%20photo #1.png"))
    quoted = own.replace("%", "%25").replace(" ", "%20").replace("#", "%23")
    assert browser.ask("GET", f"/gradio_api/file={quoted}", token).status_code == 200
    body = json.dumps({"path": own, "url": f"{HOST}/gradio_api/file={quoted}"})
    assert browser.ask("POST", "/gradio_api/run/predict", token, content=body).status_code == 200
    for url in (f"http://evil.example/gradio_api/file={quoted}", f"http://evil.example/?//127.0.0.1:7860{quoted}"):
        body = json.dumps({"path": own, "url": url})
        assert browser.ask("POST", "/gradio_api/run/predict", token, content=body).status_code == 403


def test_visitors_without_a_password_evict_nobody(browser):
    browser.app.status = 401
    ann = new_token()
    browser.visitors.of(ann)
    for _ in range(3):
        browser.ask("GET", "/config", new_token())
        browser.ask("POST", "/gradio_api/upload", new_token(), content=b"0123")
    assert len(browser.visitors._all) == 1


def test_layers_come_in_forms_alone(browser):
    answer = browser.ask("POST", "/gradio_api/component_server", content=b'{"path": "/etc/passwd"}')
    assert answer.status_code == 415
    assert not browser.app.seen


def test_a_stranger_who_only_looks_is_not_remembered(browser):
    for _ in range(5):
        browser.ask("GET", "/")
    assert not browser.visitors._all


def test_wrong_passwords_have_to_wait(browser, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(gates.time, "monotonic", lambda: now[0])
    browser.app.status = 400
    statuses = [browser.ask("POST", "/login", content=b"username=a&password=b").status_code for _ in range(11)]
    assert statuses == [400] * 10 + [429]
    browser.app.status = 200
    now[0] += 61
    assert [browser.ask("POST", "/login", content=b"").status_code for _ in range(15)] == [200] * 15


def test_websockets_are_closed(browser):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(browser.gate({"type": "websocket"}, None, send))
    assert sent[0]["type"] == "websocket.close"
