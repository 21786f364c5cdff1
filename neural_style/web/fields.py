"""Gradio's components without its reading of values: pictures are decoded by this program alone, with its limits.

What is wrong with a value is said by this program, too, in its own words, and not while it is being typed.
"""

from __future__ import annotations

import threading
from abc import ABCMeta
from typing import Any, TypeVar

import gradio as gr
from gradio.components.base import server
from gradio.components.image_editor import AcceptBlobs, EditorData, EditorDataBlobs
from gradio.data_classes import FileData, ImageData

_MOST_LAYERS, _MOST_PAINTED_BYTES = 4, 2 * 10**8
"""How many layers a painting has, and how many bytes of them wait to be used."""

_painted = threading.Lock()

_Component = TypeVar("_Component", bound=type)


def _derived(base: _Component, **methods: Any) -> _Component:
    """Return a component with other methods.

    The metaclass of components would write a file next to this module, so it is passed over.
    """
    made: Any = ABCMeta.__new__(type(base), base.__name__, (base,), {"is_template": True, **methods})
    return made


def _path_of(self: gr.Image, payload: ImageData | None) -> str | None:
    """Return the path of a picture that was sent."""
    return None if payload is None else payload.path


def _layers_of(self: gr.ImageEditor, payload: EditorData | None) -> list[bytes | str]:
    """Return what was painted: layers, each the bytes of a file or a path."""
    if payload is None:
        return []
    layers: list[Any] = list(payload.layers or [])
    if payload.id is not None:
        with _painted:
            stored = self.blob_storage.pop(payload.id, None)
        layers = list(stored.layers) if stored else []
    return [layer.path if isinstance(layer, FileData) else layer for layer in layers if layer is not None]


@server
def _accept_blobs(self: gr.ImageEditor, data: AcceptBlobs) -> None:
    """Keep a layer that was painted until it is used. Only a few are kept."""
    kind, index, number = (str(data.data.get(name)) for name in ("type", "index", "id"))
    if kind != "layer" or not index.isdigit() or int(index) >= _MOST_LAYERS or len(number) > 100:
        return
    if not data.files or not isinstance(data.files[0][1], bytes):
        return
    with _painted:
        stored = self.blob_storage.pop(number, None) or EditorDataBlobs(background=None, layers=[], composite=None)
        stored.layers += [None] * (int(index) + 1 - len(stored.layers))
        stored.layers[int(index)] = data.files[0][1]
        self.blob_storage[number] = stored
        while sum(map(_bytes_of, self.blob_storage.values())) > _MOST_PAINTED_BYTES:
            del self.blob_storage[next(iter(self.blob_storage))]


def _bytes_of(painted: EditorDataBlobs) -> int:
    return 1000 + sum(len(layer) for layer in painted.layers if layer is not None)


def _as_sent(self: gr.Slider, payload: float | None) -> float | None:
    """Return a number, which may be out of bounds."""
    return payload


_Picture = _derived(gr.Image, preprocess=_path_of)
_Regions = _derived(gr.ImageEditor, preprocess=_layers_of, accept_blobs=_accept_blobs)
SliderField = _derived(gr.Slider, preprocess=_as_sent)
"""A slider whose number may be out of bounds."""


def picture_field(**options: Any) -> gr.Image:
    """Return a field that takes a picture. Its value for handlers is the path of the file.

    Args:
        options: those of `gr.Image`.
    """
    return _Picture(type="filepath", sources=["upload", "clipboard"], image_mode=None, **options)


def regions_field(**options: Any) -> gr.ImageEditor:
    """Return a photo to paint regions on. Its value for handlers is a list of layers: bytes of files, or paths.

    Args:
        options: those of `gr.ImageEditor`.
    """
    return _Regions(type="filepath", sources=[], transforms=[], layers=False, format="png", **options)
