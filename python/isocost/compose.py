"""Architectures as models."""

from __future__ import annotations

import os
from pathlib import Path

from . import programs
from .arch import Arch

__all__ = ["compose"]


def compose(space: str | os.PathLike[str], arch: Arch | str, path: str | os.PathLike[str]) -> Path:
    """Writes an architecture of a space as one ONNX (or ``.tflite``) model of batch 1, by ``isosearch export``.

    Of a space of modules it computes what the files compute, as a run's best.onnx does; of any other
    its weights are random. Returns path. Raises ProgramError.
    """
    programs.run("isosearch", ["export", "--space", space, "-o", path, arch if isinstance(arch, str) else arch.key])
    return Path(path)
