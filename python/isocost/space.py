"""Spaces of your own modules."""

from __future__ import annotations

import os
import re
import types
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

from .arch import Arch, Layer
from .errors import IsocostError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

__all__ = ["Part", "Space", "current"]

#: Makes a module: of a width where the layer has widths, of nothing where not. A module stands for itself.
Factory = Callable[..., "nn.Module"]

PRECISIONS = ("fp32", "fp16", "bf16", "int8")  # widest first, as Go has them
SKIP = "skip"

_current: "Space | None" = None


def current() -> "Space | None":
    """The space declared last in this process."""
    return _current


@dataclass(frozen=True)
class Fixed:
    """A module that every architecture has."""

    name: str
    make: Factory


@dataclass(frozen=True)
class Choices:
    """A mutable layer."""

    name: str
    choices: Mapping[str, Factory]
    widths: tuple[int, ...]  #: () for none
    precisions: tuple[str, ...]
    skip: bool
    default: Layer

    def make(self, choice: str, width: int) -> "nn.Module":
        """The module of a choice at the width of an index."""
        return _make(self.choices[choice], (self.widths[width],) if self.widths else ())


@dataclass(frozen=True)
class Part:
    """A module as it is written, for a converter to another format (:meth:`Space.save`)."""

    name: str  #: of the layer, the stem or the head
    choice: str  #: "" of a stem or a head
    width: int | None  #: None where there is none
    precision: str  #: such as ``fp32`` or ``int8``, to which the converter quantises
    module: "nn.Module"  #: in evaluation mode, float32, with the weights of the files
    samples: "torch.Tensor"  #: what it is handed: (n, channels, height, width), float32


#: Makes a ``.tflite`` file of a part: its path, or its bytes.
Converter = Callable[[Part], "str | os.PathLike[str] | bytes"]


class Space:
    """A network whose layers are your own ``nn.Module`` s, to be measured and searched::

        space = isocost.Space("my-net", input=(3, 96, 96))
        space.stem(Stem())
        space.layer({"mine": lambda w: MyBlock(16, 24, width=w), "ref": lambda w: MBConv(16, 24, width=w)},
                    widths=[16, 24, 32], precisions=["fp32", "int8"])
        space.head(Head())
        space.save("space/")

    input is one sample's shape, without the batch: (channels, height, width). A module takes one
    tensor and returns one; a width is its own business and must not show outside. Modules are
    given as a function, which is called anew for every network, or, fixed, as they are (then every
    network has a copy).
    """

    def __init__(self, name: str, input: Sequence[int], *, seed: int = 0) -> None:
        global _current
        self.name = _name(name, "space")
        self.input = tuple(int(n) for n in input)
        if len(self.input) != 3 or min(self.input) < 1:
            raise ValueError(f"input {input!r} is not (channels, height, width)")
        self.seed = seed  #: of the exported weights
        self.stems: list[Fixed] = []
        self.layers: list[Choices] = []
        self.heads: list[Fixed] = []
        _current = self

    def stem(self, module: "nn.Module | Factory", name: str = "") -> None:
        """Adds a fixed module before the first layer."""
        if self.layers:
            raise ValueError("a stem stands before the first layer")
        self.stems.append(Fixed(_name(name or f"stem{len(self.stems) or ''}", "stem"), _factory(module)))

    def head(self, module: "nn.Module | Factory", name: str = "") -> None:
        """Adds a fixed module after the last layer."""
        self.heads.append(Fixed(_name(name or f"head{len(self.heads) or ''}", "head"), _factory(module)))

    def layer(
        self,
        choices: Mapping[str, "nn.Module | Factory"],
        *,
        widths: Sequence[int] = (),
        precisions: Sequence[str] = ("fp32",),
        skip: bool = False,
        name: str = "",
        default: tuple[str, int] | str | None = None,
    ) -> None:
        """Adds a mutable layer.

        choices: by name, functions of a width where there are widths (ascending), of nothing where not.
        precisions: of fp32, fp16, bf16 and int8, which onnxruntime quantises.
        skip: a further choice, nothing at all, where the shape stays.
        default: (choice, width) of the anchor; the first choice and the widest width where left out.
        """
        label = _name(name or f"layer{len(self.layers)}", "layer")
        if self.heads:
            raise ValueError(f"layer {label!r} stands after a head")
        if any(x.name == label for x in self.layers):
            raise ValueError(f"layer {label!r} is duplicate")
        grid = tuple(int(w) for w in widths)
        if list(grid) != sorted(set(grid)) or grid and grid[0] < 1:
            raise ValueError(f"layer {label!r}: widths {list(widths)} are not ascending whole numbers from 1")
        if not precisions or set(precisions) - set(PRECISIONS) or len(set(precisions)) != len(precisions):
            raise ValueError(f"layer {label!r}: precisions {list(precisions)} are not of {', '.join(PRECISIONS)}, once each")
        if not choices:
            raise ValueError(f"layer {label!r} has no choices")
        own = {_name(k, f"layer {label!r}: choice"): _factory(v) for k, v in choices.items()}
        if SKIP in own and skip:
            raise ValueError(f"layer {label!r}: skip=True is a choice of the name 'skip' already")
        ordered = tuple(p for p in PRECISIONS if p in precisions)
        choice, width = (default, None) if isinstance(default, str) or default is None else default
        choice = choice or next(iter(own))
        if choice not in own and not (skip and choice == SKIP):
            raise ValueError(f"layer {label!r}: default {choice!r} is not a choice")
        if width is not None and width not in grid:
            raise ValueError(f"layer {label!r}: default width {width} is none of {list(grid)}")
        index = grid.index(width) if width is not None else max(len(grid) - 1, 0)
        self.layers.append(Choices(label, own, grid, ordered, skip, Layer(choice, index, ordered[0])))

    @property
    def default(self) -> Arch:
        """The anchor that a search starts from."""
        return Arch.of(tuple(x.default for x in self.layers))

    def build(self, arch: Arch, *, exported: bool = False) -> "nn.Module":
        """The network of an architecture, an ``nn.Sequential`` by the parts' names.

        Its weights are fresh, from torch's generator; with exported=True those of the files that
        save writes, in evaluation mode. Layers of int8 have fake quantisation, with gradients
        passed straight through: their weights per output channel, what comes in by a running range;
        exported=True leaves it out. Raises ValueError for an architecture of another space.
        """
        from torch import nn

        from .fakequant import fake_quantised

        if len(arch) != len(self.layers):
            raise ValueError(f"architecture {arch} has {len(arch)} layers, space {self.name} {len(self.layers)}")
        net = nn.Sequential()
        for f in self.stems:
            net.add_module(_attribute(f.name), self._exported(f.make) if exported else _make(f.make, ()))
        for x, layer in zip(arch.layers, self.layers):
            self._check(x, layer, arch)
            if x.choice == SKIP and layer.skip:
                continue

            def make(layer: Choices = layer, x: Layer = x) -> "nn.Module":
                return layer.make(x.choice, x.width)

            module = self._exported(make) if exported else make()
            if x.precision == "int8" and not exported:
                module = fake_quantised(module)
            net.add_module(_attribute(layer.name), module)
        for f in self.heads:
            net.add_module(_attribute(f.name), self._exported(f.make) if exported else _make(f.make, ()))
        return net.eval() if exported else net

    def save(self, folder: str | os.PathLike[str], *, calibration: "np.ndarray | None" = None, tflite: Converter | None = None) -> Path:
        """Writes ``space.yaml`` (kind: modules, docs/formats/space.md) and one ONNX file per different module.

        calibration: inputs, shape (n, channels, height, width), on which int8 ranges are settled; 8
        Gaussian ones where left out, which times need no better than. Modules of equal content are
        one file. A file takes any batch, unless its module does only one sample at a time.
        tflite: makes the ``.tflite`` form of a :class:`Part`, for LiteRT; it is asked once for each
        different module. Shapes, order of channels first or last, and float32 or int8 ends are
        checked against the ONNX form, by ``isosearch``. Returns the path of space.yaml. Raises IsocostError that names layer, choice and
        width for a module that does not fit, changes the interface or cannot be exported; nothing
        is written then.
        """
        from .export import save

        return save(self, Path(folder), calibration, tflite)

    def _exported(self, make: Callable[[], "nn.Module"]) -> "nn.Module":
        """A module with the exported weights: equal modules have equal ones, so that they are one file."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return _make(make, ()).eval()

    def _check(self, x: Layer, layer: Choices, arch: Arch) -> None:
        if not (x.choice in layer.choices or layer.skip and x.choice == SKIP):
            raise ValueError(f"architecture {arch}: layer {layer.name!r} has no choice {x.choice!r}")
        if x.width >= max(len(layer.widths), 1) or x.precision not in layer.precisions:
            raise ValueError(f"architecture {arch}: layer {layer.name!r} has widths {list(layer.widths)} and precisions {list(layer.precisions)}")


def _make(factory: Factory, args: tuple[int, ...]) -> "nn.Module":
    from torch import nn

    module = factory(*args)
    if not isinstance(module, nn.Module):
        raise IsocostError(f"a module's function returned {type(module).__name__}, not an nn.Module")
    return module


def _factory(given: Any) -> Factory:
    """A function that makes a module; of a module, copies of it."""
    from torch import nn

    if isinstance(given, nn.Module):
        import copy

        return lambda *_: copy.deepcopy(given)
    if not callable(given):
        raise TypeError(f"{given!r} is neither a module nor a function that makes one")
    return _seen_now(given)


def _seen_now(f: Factory) -> Factory:
    """A lambda or an inner function with the variables that it sees now: called later, it would see a loop's last."""
    if not isinstance(f, types.FunctionType) or f.__name__ != "<lambda>" and not f.__closure__:
        return f
    cells = tuple(_copied(c) for c in f.__closure__ or ())
    seen = dict(f.__globals__)
    now = types.FunctionType(f.__code__, seen, f.__name__, f.__defaults__, cells)
    now.__kwdefaults__ = f.__kwdefaults__

    def make(*args: int) -> "nn.Module":
        for name, value in f.__globals__.items():
            seen.setdefault(name, value)  # what is defined after the space
        module: nn.Module = now(*args)
        return module

    return make


def _copied(cell: types.CellType) -> types.CellType:
    try:
        return types.CellType(cell.cell_contents)
    except ValueError:  # not set yet
        return cell


def _name(text: str, what: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        raise ValueError(f"{what} {text!r} is not a name: letters, digits and . _ -, at most 64")
    return text


def _attribute(name: str) -> str:
    """The name of a part within the network: torch allows no dots."""
    return name.replace(".", "_")
