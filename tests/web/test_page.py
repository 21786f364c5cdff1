"""Tests of the page as it is served: by requests, by Gradio's client, and in a browser."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from PIL import Image

from neural_style.example_pictures import example_picture
from neural_style.images.reading import read_settings

CHROMIUM = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
SECONDS = 60


class Server:
    """The page in a process of its own."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "neural_style", "web", "--weights", "builtin", "--precision", "float32"]
        self.process = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True)
        self.said = []
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r"the page is at (http://\S+:\d+)/", line):
                self.address = found[1]
                break
        else:
            raise AssertionError("".join(self.said))
        threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True).start()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The page, with a folder for temporary files of its own."""
    temporary = tmp_path_factory.mktemp("temporary")
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(temporary)
    try:
        server = Server("--max_upload", "3MB")
        yield server
        assert server.end() == 128 + signal.SIGTERM
        assert not any(temporary.glob("neural-style-web-*"))  # it leaves nothing
        assert not [line for line in server.said if "Traceback" in line]
    finally:
        os.environ.pop("TMPDIR")
        if before is not None:
            os.environ["TMPDIR"] = before


@pytest.fixture(scope="module")
def chromium():
    """A browser."""
    sync_api = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium; on Debian: apt install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM))
        yield browser
        browser.close()


class Visit:
    """One browser profile with the page open. All requests are noted."""

    def __init__(self, chromium, server, **options):
        self.context = chromium.new_context(accept_downloads=True, **options)
        self.server, self.requests, self.problems = server, [], []
        self.open()

    def open(self):
        self.page = self.context.new_page()
        self.page.set_default_timeout(SECONDS * 1000)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("response", lambda answer: self.problems.append(answer.url) if answer.status >= 400 else None)
        self.page.goto(self.server.address)
        self.page.wait_for_selector("#photo input[type=file]", state="attached")

    def words(self, place):
        return self.page.inner_text(place)

    def wait(self, condition):
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, self.words("#status") + self.words("#notice")
            self.page.wait_for_timeout(50)

    def wait_for(self, place, text):
        self.wait(lambda: text in self.words(place))

    def set(self, place, value):
        self.page.fill(f"{place} input[type=number]", str(value))
        self.page.press(f"{place} input[type=number]", "Tab")

    def foreign(self):
        own = (self.server.address, "data:", f"blob:{self.server.address}")
        return [request for request in self.requests if not request.startswith(own)]


@pytest.fixture
def visit(chromium, server):
    """Open the page as somebody new."""
    with contextlib.ExitStack() as visits:

        def begin(**options):
            new = Visit(chromium, server, **options)
            visits.callback(new.context.close)
            return new

        yield begin


def test_what_is_not_for_visitors_is_refused(server):
    with httpx.Client(base_url=server.address) as client:
        for path in ("/monitoring", "/gradio_api/runs", "/gradio_api/mcp/sse", "/docs", "/gradio_api/openapi.json"):
            assert client.get(path).status_code == 404, path
        for path in ("/etc/passwd", __file__, "/proc/self/environ"):
            assert client.get(f"/gradio_api/file={path}").status_code == 403, path
        assert client.get("/", headers={"host": "evil.example"}).status_code == 403
        assert client.post("/gradio_api/run/paint", headers={"origin": "http://evil.example"}).status_code == 403
        url = {"data": [{"path": "http://127.0.0.1:1/a.png", "meta": {"_type": "gradio.FileData"}}, [], {}]}
        assert client.post("/gradio_api/run/paint", json=url).status_code == 403
        form = {"content-type": "multipart/form-data; boundary=x"}
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        for content in (head + b"0" * 4_000_000, iter([head, *[b"0" * 100_000] * 40])):
            assert client.post("/gradio_api/upload", headers=form, content=content).status_code == 413
        config = client.get("/config").json()
        assert not config.get("enable_monitoring")
        assert not config.get("is_space")
        assert '"run_history":true' not in client.get("/").text.replace(" ", "")
        assert "google" not in client.get("/theme.css").text


def test_programs_paint_with_gradio_s_client(server, tmp_path):
    from gradio_client import Client, exceptions, handle_file

    client, other = Client(server.address, verbose=False), Client(server.address, verbose=False)
    pictures = [handle_file(str(example_picture(name))) for name in ("lakeside.jpg", "swirls.jpg")]
    options = {"side": 128, "scales": "1", "iterations": 3}
    job = client.predict(pictures[0], [pictures[1]], options, api_name="/paint")
    end = time.monotonic() + SECONDS
    while (seen := client.predict(job["key"], api_name="/status"))["state"] != "done":
        assert time.monotonic() < end, seen
        time.sleep(0.2)
    assert "--content lakeside.jpg --styles swirls.jpg --" in seen["command"]
    assert all(words in seen["command"] for words in ("--iterations 3", "--scales 1", "--width 128"))
    address = server.address + seen["result"]
    path = tmp_path / "result.png"
    path.write_bytes(httpx.get(address, cookies=client.cookies).content)
    assert read_settings(path)["styles"] == ["swirls.jpg"]
    assert httpx.get(address).status_code == 403
    assert httpx.get(address, cookies=other.cookies).status_code == 403
    with pytest.raises(exceptions.AppError, match=r"^Expected the key of a job that this client began"):
        other.predict(job["key"], api_name="/status")
    with pytest.raises(exceptions.AppError, match="not a picture of a known kind"):
        client.predict(handle_file(__file__), [], {}, api_name="/paint")
    with pytest.raises(exceptions.AppError, match="Expected options among"):
        client.predict(pictures[0], [pictures[1]], {"output": "/tmp/x.png"}, api_name="/paint")


def test_a_visit_from_the_first_picture_to_the_download(visit, server, tmp_path):
    one = visit()
    one.page.set_input_files("#photo input[type=file]", example_picture("lakeside.jpg"))
    one.page.wait_for_selector("#photo img")
    one.page.set_input_files("#style-1 input[type=file]", example_picture("swirls.jpg"))
    one.page.wait_for_selector("#style-1 img")
    one.set("#side", 128)
    one.wait_for("#plan", "128×85 px")
    one.page.click("#more > button")
    one.page.click("#more button:has-text('Optimization')")
    one.page.fill("#option-iterations textarea", "100000")
    one.page.fill("#option-tolerance textarea", "0")
    one.page.click("#paint")
    one.page.wait_for_selector("#live img")
    first = one.page.get_attribute("#live img", "src")
    one.wait(lambda: one.page.get_attribute("#live img", "src") != first)  # it emerges
    one.set("#strength", 0.9)
    one.wait_for("#notice", "Strength 0.9 from iteration")
    one.page.click("text=Pause")
    one.wait_for("#status", "Paused")
    two = visit()
    assert "The picture appears here." in two.words("#status")  # nothing of somebody else's
    assert not two.page.is_visible("#gallery")
    one.page.close()
    one.open()  # and finds its picture, and what was entered
    one.wait_for("#status", "Paused")
    assert one.page.input_value("#side input[type=number]") == "128"
    one.page.click("button:has-text('Go on')")
    one.wait_for("#status", "Painting")
    one.wait_for("#status", ", iteration ")
    told = re.search(r"iteration \d+ ", one.words("#status"))[0]
    one.wait(lambda: told not in one.words("#status"))
    one.page.click("button:has-text('Stop and keep')")
    one.wait_for("#status", "Stopped")
    one.page.wait_for_selector("#slider img")
    with one.page.expect_download() as download:
        one.page.click("#download")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == "lakeside-swirls.png"
    settings = read_settings(path)
    assert (settings["width"], settings["tolerance"]) == (128, 0.0)
    assert settings["strength"] == 0.9
    assert "--content lakeside.jpg --styles swirls.jpg" in one.page.input_value("#command textarea")
    assert httpx.get(download.value.url).status_code == 403
    two.page.click("#settings button")
    two.page.set_input_files("#finished input[type=file]", path)
    two.wait_for("#settings", "lakeside.jpg (photo)")
    two.wait(lambda: two.page.input_value("#side input[type=number]") == "128")
    assert float(two.page.input_value("#strength input[type=number]")) == settings["strength"]
    for each in (one, two):
        assert each.foreign() == []
        assert each.problems == []


def test_what_is_no_picture_is_answered_with_a_sentence(visit, tmp_path):
    path = tmp_path / "letter.jpg"
    path.write_text("Dear Ann,\n")
    one = visit()
    one.page.set_input_files("#photo input[type=file]", path)
    one.wait_for("#notice", "Photo 'letter.jpg' is not a picture of a known kind")
    one.page.click("#paint")
    one.wait_for("#notice", "Expected a photo")
    assert one.problems == []


@pytest.mark.slow  # the canvas is drawn without a GPU; test_pictures.py tests what is made of layers
def test_regions_that_are_painted_become_masks(visit, tmp_path):
    one = visit(viewport={"width": 1280, "height": 1600})
    one.page.click("#examples button >> nth=0")
    one.page.wait_for_selector("#style-1 img")
    one.set("#side", 128)
    one.page.click("#regions button >> nth=0")
    canvas = one.page.wait_for_selector("#regions canvas")
    one.page.wait_for_timeout(1500)  # until the photo lies on the canvas
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    middle, height = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    one.page.mouse.move(middle - 60, height)
    one.page.mouse.down()
    one.page.mouse.move(middle + 60, height, steps=20)
    one.page.mouse.up()
    one.page.wait_for_timeout(1000)
    one.page.click("#more > button")
    one.page.click("#more button:has-text('Optimization')")
    one.page.fill("#option-iterations textarea", "2")
    one.page.fill("#option-scales textarea", "1")
    one.page.click("#paint")
    one.wait_for("#status", "Done")
    one.page.wait_for_selector("#download")
    assert "--content_masks region-1.png" in one.page.input_value("#command textarea")
    with one.page.expect_download() as download:
        one.page.click("#download")
    path = tmp_path / "painted.png"
    download.value.save_as(path)
    with Image.open(path) as painted, Image.open(example_picture("lakeside.jpg")) as photo:
        small = photo.convert("RGB").resize(painted.size, Image.Resampling.LANCZOS)
        moved = [abs(a - b) for a, b in zip(small.getpixel((3, 3)), painted.getpixel((3, 3)), strict=True)]
    assert max(moved) <= 12  # what was not painted stays as in the photo
    assert one.problems == []


_CONTRASTS = """() => {
  const rgb = text => { const found = text.match(/[\\d.]+/g) || [0, 0, 0, 0]; return found.map(Number) }
  const light = ([r, g, b]) => {
    const f = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 }
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b) }
  const behind = element => { for (let at = element; at; at = at.parentElement) {
    const color = rgb(getComputedStyle(at).backgroundColor); if (color.length < 4 || color[3] > 0.9) return color }
    return [255, 255, 255] }
  const low = []
  for (const element of document.querySelectorAll('h1, p, span, label, button, input, text, td')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())
    const box = element.getBoundingClientRect(), style = getComputedStyle(element)
    if (!own || !box.width || style.visibility === 'hidden' || style.opacity < 1 || element.disabled) continue
    if (!element.checkVisibility({checkOpacity: true})) continue
    const color = element.tagName === 'text' ? rgb(style.fill) : rgb(style.color)
    const [a, b] = [light(color), light(behind(element))].sort((x, y) => y - x)
    const ratio = (a + 0.05) / (b + 0.05)
    if (ratio < 4.5) low.push([element.textContent.trim().slice(0, 40), element.className.toString(), ratio.toFixed(2)])
  }
  return low
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (390, 844)])
def test_it_fits_and_can_be_read(visit, scheme, size):
    one = visit(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    one.page.wait_for_selector("#paint")
    one.page.click("#more > button")
    one.page.wait_for_timeout(500)
    assert one.page.evaluate("document.documentElement.scrollWidth") <= size[0]
    is_dark = one.page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert is_dark == (scheme == "dark")
    assert one.page.evaluate(_CONTRASTS) == []


def test_it_is_used_by_keyboard_alone(visit):
    one = visit()
    one.page.wait_for_selector("#examples button")
    one.page.focus("#examples button >> nth=0")
    one.page.keyboard.press("Enter")
    one.page.wait_for_selector("#style-1 img")
    one.page.focus("#side input[type=number]")
    one.page.keyboard.press("Control+A")
    one.page.keyboard.type("128")
    reached = []
    for _ in range(40):
        one.page.keyboard.press("Tab")
        reached.append(one.page.evaluate("document.activeElement.id"))
        if reached[-1] == "paint":
            break
    assert reached[-1] == "paint"
    one.page.keyboard.press("Enter")
    one.page.wait_for_selector("#live img")
    one.page.focus("button:has-text('Stop and keep')")
    one.page.keyboard.press("Space")
    one.wait(lambda: "Stopped" in one.words("#status") or "Done" in one.words("#status"))
    assert one.problems == []


def test_with_a_password_nothing_is_seen_without_it(chromium, monkeypatch):
    monkeypatch.setenv("NEURAL_STYLE_AUTH", "ann:open sesame")
    server = Server()
    try:
        with httpx.Client(base_url=server.address) as client:
            for path in ("/config", "/gradio_api/info", "/gradio_api/file=/etc/passwd"):
                assert client.get(path).status_code in (401, 403), path
            assert client.post("/gradio_api/run/status", json={"data": ["x"]}).status_code == 401
            assert client.post("/login", data={"username": "ann", "password": "no"}).status_code == 400
            assert client.post("/login", data={"username": "ann", "password": "open sesame"}).status_code == 200
            assert client.get("/config").status_code == 200
        assert "open sesame" not in Path(f"/proc/{server.process.pid}/cmdline").read_text()
    finally:
        server.end()
