"""The costs of a whole space as dense arrays."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import numpy.typing as npt

from . import programs
from .arch import Arch
from .errors import IsocostError
from .jsonfile import read_json

__all__ = ["Tensor", "TensorLayer", "price_tensor"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TensorLayer:
    """The axes of a mutable layer."""

    choices: tuple[str, ...]
    widths: tuple[float, ...]  #: ratios
    precisions: tuple[str, ...]
    default: tuple[int, int, int]  #: indices of the space's default


@dataclass(frozen=True)
class Part:
    """One part of the walk: arrays are [state, choice, width, precision]."""

    layer: int  #: −1: fixed
    next: Ints  #: the state after it; −1 where no architecture comes
    kernels: Ints
    own: Floats  #: [table, choice, width, precision], in the table's unit
    between: Floats  #: [table, state, choice, width, precision]; NaN where no architecture comes


@dataclass(frozen=True)
class Calibration:
    """How a table turns a sum of kernels into a cost: lut/table.go."""

    overhead: float
    a: float
    b: float
    c: float
    sum_lo: float
    curve: Floats  #: [points, 2]


class Tensor:
    """What ``isosearch price --tensor`` writes (docs/formats/tensor.md)."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        data = read_json(Path(path), "isocost/tensor/v1")
        self.space: dict[str, Any] = data["space"]
        self.states: list[tuple[str, bool]] = [(s["precision"], s["plain"]) for s in data["states"]]
        self.layers = [self._layer(x) for x in data["layers"]]
        self.tables: list[str] = [t["name"] for t in data["tables"]]
        self.units: list[str] = [t["unit"] for t in data["tables"]]
        self.calibrations = [self._calibration(t) for t in data["tables"]]
        #: one list of parts per width where the width is one setting for all layers, else one list
        self.grids: list[list[Part]] = [
            [self._part(p, [t["grids"][g] for t in data["tables"]], i) for i, p in enumerate(grid["parts"])] for g, grid in enumerate(data["grids"])
        ]

    @property
    def global_width(self) -> bool:
        """Whether the width is one setting for all layers."""
        return bool(self.space["global_width"])

    def own(self, table: int = 0, grid: int = 0) -> Floats:
        """The costs of layers alone, layer × choice × width × precision, in the table's unit; NaN beyond a layer's own choices."""
        parts = [p for p in self.grids[grid] if p.layer >= 0]
        return _padded([p.own[table] for p in parts])

    def between(self, table: int = 0, grid: int = 0) -> Floats:
        """What stands before a layer, by how the tensor before it lies: layer × state × choice × width × precision; NaN where no architecture comes."""
        return _padded([p.between[table] for p in self.grids[grid] if p.layer >= 0])

    def indices(self, arch: "Arch | str") -> list[tuple[int, int, int]]:
        """Choice, width and precision of every layer, as indices. Raises ValueError for an architecture of another space."""
        own = Arch.parse(arch) if isinstance(arch, str) else arch
        if len(own) != len(self.layers):
            raise ValueError(f"{own} has {len(own)} layers, the space {len(self.layers)}")
        out = []
        for n, (x, layer) in enumerate(zip(own.layers, self.layers)):
            try:
                out.append((layer.choices.index(x.choice), x.width, layer.precisions.index(x.precision)))
            except ValueError:
                raise ValueError(f"{own}: layer {n} has choices {layer.choices} and precisions {layer.precisions}") from None
            if x.width >= len(layer.widths):
                raise ValueError(f"{own}: layer {n} has {len(layer.widths)} widths")
        return out

    @staticmethod
    def _layer(x: dict[str, Any]) -> TensorLayer:
        choices, precisions, d = tuple(x["choices"]), tuple(x["precisions"]), x["default"]
        return TensorLayer(choices, tuple(x["widths"]), precisions, (choices.index(d["choice"]), d.get("width", 0), precisions.index(d.get("precision", ""))))

    @staticmethod
    def _calibration(t: dict[str, Any]) -> Calibration:
        c = t.get("calibration") or {"a": 1.0, "b": 0.0, "c": 0.0, "sum_lo": 0.0, "curve": []}
        return Calibration(t["overhead"], c["a"], c["b"], c["c"], c["sum_lo"], np.asarray(c["curve"], dtype=np.float64).reshape(-1, 2))

    @staticmethod
    def _part(p: dict[str, Any], costs: list[dict[str, Any]], i: int) -> Part:
        return Part(
            p["layer"],
            np.asarray(p["next"], dtype=np.int64),
            np.asarray(p["kernels"], dtype=np.int64),
            np.asarray([c["own"][i] for c in costs], dtype=np.float64),
            np.asarray([c["between"][i] for c in costs], dtype=np.float64),  # null is NaN
        )


def _padded(arrays: Sequence[Floats]) -> Floats:
    """The arrays one above another, filled with NaN where one is smaller."""
    shape = np.max([a.shape for a in arrays], axis=0)
    out = np.full((len(arrays), *shape), np.nan)
    for o, a in zip(out, arrays):
        o[tuple(slice(n) for n in a.shape)] = a
    return out


def price_tensor(space: str | os.PathLike[str], tables: Sequence[str | os.PathLike[str]]) -> Tensor:
    """The costs of a space by tables, ``space:flops`` and ``space:params`` among them, by ``isosearch price --tensor``.

    Raises ProgramError, for keys that a table lacks too.
    """
    if not tables:
        raise IsocostError("no table: costs want at least one")
    with tempfile.TemporaryDirectory(prefix="isocost-") as folder:
        path = Path(folder) / "tensor.json"
        programs.run("isosearch", ["price", "--space", space, "--lut", ",".join(os.fspath(t) for t in tables), "--tensor", path])
        return Tensor(path)
