"""Gradio's components for pictures, without its decoding: pictures are read by this program alone, with its limits.

Methods of these components are replaced one by one. For a class that derives from a component, Gradio would write a
file next to its module.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import gradio as gr
from gradio.components.base import server
from gradio.components.image_editor import AcceptBlobs, EditorData
from gradio.data_classes import FileData, ImageData

_MOST_PAINTED, _MOST_LAYERS, _MOST_LAYER_BYTES = 32, 4, 2 * 10**7
"""How many paintings wait to be used, how many layers one has, and how large a layer is."""


def picture_field(**options: Any) -> gr.Image:
    """Return a field that takes a picture. Its value for handlers is the path of the file.

    Args:
        options: those of `gr.Image`.
    """
    field = gr.Image(type="filepath", sources=["upload", "clipboard"], image_mode=None, **options)

    def preprocess(payload: ImageData | None) -> str | None:
        return None if payload is None else payload.path

    field.preprocess = preprocess  # type: ignore[method-assign]
    return field


def regions_field(**options: Any) -> gr.ImageEditor:
    """Return a photo to paint regions on. Its value for handlers is a list of layers: bytes of files, or paths.

    Args:
        options: those of `gr.ImageEditor`.
    """
    field = gr.ImageEditor(type="filepath", sources=[], transforms=[], layers=False, format="png", **options)
    painted: OrderedDict[str, list[bytes | None]] = OrderedDict()  # number of a painting -> its layers

    def preprocess(payload: EditorData | None) -> list[bytes | str]:
        if payload is None:
            return []
        layers: list[Any] = list(payload.layers or [])
        if payload.id is not None:
            layers = list(painted.pop(payload.id, []))
        return [layer.path if isinstance(layer, FileData) else layer for layer in layers if layer is not None]

    @server
    def accept_blobs(data: AcceptBlobs) -> None:
        """Keep a layer until it is used. Only a few are kept."""
        kind, index, number = (str(data.data.get(name)) for name in ("type", "index", "id"))
        if kind != "layer" or not index.isdigit() or int(index) >= _MOST_LAYERS or len(number) > 100:
            return
        content = data.files[0][1]
        if len(content) > _MOST_LAYER_BYTES:
            return
        layers = painted.pop(number, [])
        layers += [None] * (int(index) + 1 - len(layers))
        layers[int(index)] = content
        painted[number] = layers
        while len(painted) > _MOST_PAINTED:
            painted.popitem(last=False)

    field.preprocess, field.accept_blobs = preprocess, accept_blobs  # type: ignore[method-assign, assignment]
    return field
