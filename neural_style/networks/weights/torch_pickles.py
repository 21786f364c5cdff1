"""Recognize PyTorch's own files, which are pickles, and say how to convert them to safetensors.

A pickle is a program. So these files are not read; PyTorch itself reads and converts them, on the user's decision.
"""

from __future__ import annotations

import shlex
from pathlib import Path

_OLD_MAGIC = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of PyTorch before 1.6 begin, after the pickle's protocol."""

CONVERSION = (
    "import sys, torch, safetensors.torch as s; "
    "w = torch.load(sys.argv[1], map_location='cpu', weights_only=True); "
    "s.save_file({k: v.contiguous().clone() for k, v in w.items() if v.dim() in (1, 4)}, sys.argv[2])"
)
"""A program that converts the convolutions of a state dict. Its arguments are the two paths."""


def is_torch_pickle(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is one of PyTorch's before 1.6, or another pickle."""
    return head[2:].startswith(_OLD_MAGIC) or (head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05")


def torch_pickle(path: Path) -> str:
    """Return in words what such a file is, and the command that converts it."""
    converted = path.with_name(f"{path.stem}{'-converted' * (path.suffix == '.safetensors')}.safetensors")
    arguments = shlex.join((str(path), str(converted)))
    return f'a pickle of PyTorch, which can run any code; to convert it: python -c "{CONVERSION}" {arguments}'
