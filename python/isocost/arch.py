"""Architectures: what a search asks evaluators about."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping

from .errors import IsocostError
from .jsonfile import read_json

if TYPE_CHECKING:
    from torch import nn

    from .space import Space

__all__ = ["Arch", "Layer"]


@dataclass(frozen=True)
class Layer:
    """The setting of one mutable layer."""

    choice: str  #: name of the micro-choice, such as ``mb_k3_e6``
    width: int = 0  #: index on the width grid of the space, from 0
    precision: str = ""  #: such as ``fp32`` or ``int8``; ``""`` in spaces without precision


@dataclass(frozen=True)
class Arch:
    """One architecture of a space.

    ``key`` is its canonical text: per layer ``choice[:width index][:precision]``, joined by ``|``.
    """

    key: str
    layers: tuple[Layer, ...] = field(compare=False)
    space: "Space | None" = field(default=None, compare=False, repr=False)  #: of your own modules, where an evaluator has one

    def __str__(self) -> str:
        return self.key

    def __len__(self) -> int:
        return len(self.layers)

    @staticmethod
    def parse(key: str) -> "Arch":
        """Reads a key. Raises ValueError on what is none."""
        layers = []
        for i, text in enumerate(key.split("|")):
            choice, *rest = text.split(":")
            width, precision = 0, ""
            if rest and rest[0].isdigit():
                width = int(rest.pop(0))
            if rest:
                precision = rest.pop(0)
            if not choice or rest:
                raise ValueError(f"architecture {key!r}: layer {i}: {text!r} is not choice[:width][:precision]")
            layers.append(Layer(choice, width, precision))
        return Arch(key, tuple(layers))

    @staticmethod
    def of(layers: "list[Mapping[str, Any]] | tuple[Layer, ...]") -> "Arch":
        """The architecture of layers, as requests and ``arch.json`` have them."""
        own = tuple(x if isinstance(x, Layer) else Layer(x["choice"], x.get("width", 0), x.get("precision", "")) for x in layers)
        fields = []
        for x in own:
            text = x.choice
            if x.width:
                text += f":{x.width}"
            if x.precision:
                text += f":{x.precision}"
            fields.append(text)
        return Arch("|".join(fields), own)

    @staticmethod
    def read(path: str | os.PathLike[str]) -> "Arch":
        """Reads an ``arch.json``, such as ``run/best.json``. Raises IsocostError."""
        data = read_json(Path(path), "isocost/arch/v1")
        arch = Arch.of(data["layers"])
        if arch.key != data["key"]:
            raise IsocostError(f"{path}: the key {data['key']!r} is not that of the layers", "isosearch run writes such files")
        return arch

    def build(self) -> "nn.Module":
        """The network, for a space of your own modules, with fresh weights: see :meth:`isocost.Space.build`.

        Raises IsocostError where the evaluator has no space.
        """
        if self.space is None:
            raise IsocostError(f"architecture {self} has no space of own modules to be built from", "declare an isocost.Space before the evaluator, or hand it over: @isocost.evaluator(space=space)")
        return self.space.build(self)
