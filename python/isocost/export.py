"""Modules as ONNX files."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from . import programs
from .errors import IsocostError, ProgramError
from .quantise import Signs, quantised
from .space import Part

if TYPE_CHECKING:
    from .space import Choices, Converter, Fixed, Space

__all__ = ["save"]

#: The opset of the files, the last that torch writes: networks are of 21, and an operator that changed between would not be the same.
OPSET = 20

#: Samples that int8 ranges are settled on.
SAMPLES = 8


@dataclass
class Files:
    """Different files by content."""

    folder: Path
    hashes: dict[str, str]  # path below the folder → SHA-256
    own_ranges: bool  # int8 ranges are each module's own, by samples that matter
    tflite: "Converter | None" = None
    converted: dict[str, str] = field(default_factory=dict)  # path of an ONNX file → that of its .tflite form
    int8: dict[tuple[str, Signs], bytes] = field(default_factory=dict)  # by the hash of the fp32 form, unless own_ranges

    def add(self, data: bytes, suffix: str = ".onnx") -> str:
        """The path of a file with this content."""
        sha = hashlib.sha256(data).hexdigest()
        path = f"modules/{sha[:16]}{suffix}"
        if self.hashes.setdefault(path, sha) != sha:
            raise IsocostError(f"two modules have hashes that begin {sha[:16]}")
        (self.folder / path).write_bytes(data)
        return path

    def form(self, where: str, data: bytes, part: Part) -> str:
        """A module's form in YAML: the path of its ONNX file, and of its .tflite form where there is a converter."""
        path = self.add(data)
        if self.tflite is None:
            return path
        if path not in self.converted:
            try:
                made = self.tflite(part)
                self.converted[path] = self.add(made if isinstance(made, bytes) else Path(made).read_bytes(), ".tflite")
            except Exception as err:
                raise IsocostError(f"{where}: its .tflite form: {type(err).__name__}: {err}") from err
        return f"{{onnx: {path}, tflite: {self.converted[path]}}}"

    def check(self) -> None:
        """Has isosearch read every file and put the default together of them, where the programs are at hand; .tflite forms need it."""
        try:
            programs.find("isosearch")
        except IsocostError:
            if self.tflite is None:
                return
            raise
        for suffix in ("onnx", "tflite") if self.tflite else ("onnx",):
            try:
                programs.run("isosearch", ["export", "--space", self.folder / "space.yaml", "-o", self.folder / f"default.{suffix}"])
            except ProgramError as err:
                what = Exception.__str__(err)  # without where the files lie for now
                raise IsocostError(re.sub(rf"{re.escape(str(self.folder))}/space\.yaml(:\d+)?: ", "", what), err.hint) from None


def save(space: "Space", folder: Path, calibration: "np.ndarray[Any, Any] | None", tflite: "Converter | None") -> Path:
    """See Space.save."""
    if not space.layers:
        raise IsocostError(f"space {space.name} has no layers")
    if len({bool(x.precisions) for x in space.layers}) > 1:
        raise IsocostError(f"space {space.name}: either all layers have precisions or none has")
    x = _inputs(space, calibration)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Written aside and swapped in whole.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".isocost-") as aside:
        files = Files(Path(aside), {}, calibration is not None, tflite)
        (files.folder / "modules").mkdir()
        text, x = _yaml_fixed("stem", space, space.stems, files, x)
        text += "layers:\n"
        signed = bool((x < 0).any())
        for layer in space.layers:
            lines, x, signed = _yaml_layer(space, layer, files, x, signed)
            text += lines
        lines, _ = _yaml_fixed("head", space, space.heads, files, x)
        text += lines
        c, h, w = space.input
        head = f"format: isocost/space/v1\nkind: modules\nname: {space.name}\ninput: {{channels: {c}, height: {h}, width: {w}}}\nfiles:\n"
        head += "".join(f"  {path}: {sha}\n" for path, sha in sorted(files.hashes.items()))
        (files.folder / "space.yaml").write_text(head + text, encoding="utf-8")
        files.check()
        _swap(files.folder, folder)
    return folder / "space.yaml"


def _swap(new: Path, folder: Path) -> None:
    """Puts the new files into the folder: modules first, the file that names them, then what nothing names goes."""
    (folder / "modules").mkdir(parents=True, exist_ok=True)
    fresh = {p.name for p in (new / "modules").iterdir()}
    for p in (new / "modules").iterdir():
        os.replace(p, folder / "modules" / p.name)
    os.replace(new / "space.yaml", folder / "space.yaml")
    for p in (folder / "modules").iterdir():
        if p.name not in fresh and p.suffix in (".onnx", ".tflite"):
            p.unlink()


def _inputs(space: "Space", calibration: "np.ndarray[Any, Any] | None") -> torch.Tensor:
    if calibration is None:
        return torch.randn(SAMPLES, *space.input, generator=torch.Generator().manual_seed(space.seed))
    x = torch.as_tensor(np.asarray(calibration, dtype=np.float32))
    if tuple(x.shape[1:]) != space.input or len(x) == 0:
        raise ValueError(f"calibration has shape {tuple(x.shape)}, not (n, {', '.join(map(str, space.input))})")
    return x


def _yaml_fixed(what: str, space: "Space", parts: "list[Fixed]", files: Files, x: torch.Tensor) -> tuple[str, torch.Tensor]:
    if not parts:
        return f"{what}: []\n", x
    text = f"{what}:\n"
    for f in parts:
        where = f"{what} {f.name!r}"
        module = _made(where, lambda f=f: space._exported(f.make))  # type: ignore[misc]
        y = _run(where, module, x)
        form = files.form(where, _export(where, module, x, "fp32", files, Signs(True, True)), Part(f.name, "", None, "fp32", module, x))
        text += f"  - {{name: {f.name}, out: {list(y.shape[1:])}, form: {form}}}\n"
        x = y
    return text, x


def _yaml_layer(space: "Space", layer: "Choices", files: Files, x: torch.Tensor, signed: bool) -> tuple[str, torch.Tensor, bool]:
    """A layer's text, what its default hands on, and whether any of its choices hands on negative numbers."""
    tried = _tried(space, layer, x)
    # Neighbours in int8 quantise what is between them about one zero, whichever choices they
    # are: a runtime then merges the two conversions, and their cost is that of the modules.
    after = layer.skip and signed or any(bool((t.y < 0).any()) for t in tried)
    text = ""
    for name in layer.choices:
        forms = {t.width: {p: _form(layer, t, p, files, x, Signs(signed, after)) for p in layer.precisions} for t in tried if t.choice == name}
        if len({json.dumps(f) for f in forms.values()}) == 1:  # the width is nothing to this one
            text += f"      {name}: {_flow(forms[0])}\n"
        else:
            text += f"      {name}:\n" + "".join(f"        {w}: {_flow(forms[i])}\n" for i, w in enumerate(layer.widths))
    out, d = list(tried[0].y.shape[1:]), layer.default
    default = f"choice: {d.choice}" + (f", width: {layer.widths[d.width]}" if layer.widths else "") + f", precision: {d.precision}"
    head = f"  - name: {layer.name}\n    out: {out}\n"
    if layer.widths:
        head += f"    widths: {list(layer.widths)}\n"
    head += f"    precisions: [{', '.join(layer.precisions)}]\n"
    if layer.skip:
        head += "    skip: true\n"
    handed = next((t.y for t in tried if (t.choice, t.width) == (d.choice, d.width)), x)
    return head + "    choices:\n" + text + f"    default: {{{default}}}\n", handed, after


@dataclass
class Tried:
    """A choice at a width, and what it makes of what the layer is handed."""

    choice: str
    width: int
    where: str
    module: nn.Module
    y: torch.Tensor


def _tried(space: "Space", layer: "Choices", x: torch.Tensor) -> list[Tried]:
    """Every choice at every width. Raises IsocostError where they do not hand on one shape."""
    tried: list[Tried] = []
    for name in layer.choices:
        for i in range(max(len(layer.widths), 1)):
            where = f"layer {layer.name!r}, choice {name!r}" + (f", width {layer.widths[i]}" if layer.widths else "")
            module = _made(where, lambda name=name, i=i: space._exported(lambda: layer.make(name, i)))  # type: ignore[misc]
            tried.append(Tried(name, i, where, module, _run(where, module, x)))
            shape, out = list(tried[-1].y.shape[1:]), list(tried[0].y.shape[1:])
            if shape != out:
                raise IsocostError(f"{where}: it hands on {shape}, but {tried[0].where} hands on {out}", "all choices and widths of a layer hand on one shape: a width must not show outside")
    if layer.skip and out != list(x.shape[1:]):
        raise IsocostError(f"layer {layer.name!r}: skip=True, but it turns {list(x.shape[1:])} into {out}", "a layer can be left out where the shape stays")
    return tried


def _form(layer: "Choices", t: Tried, precision: str, files: Files, x: torch.Tensor, signs: Signs) -> str:
    where = f"{t.where}, {precision}"
    part = Part(layer.name, t.choice, layer.widths[t.width] if layer.widths else None, precision, t.module, x)
    return files.form(where, _export(where, t.module, x, precision, files, signs), part)


def _flow(forms: dict[str, str]) -> str:
    """A mapping in one line of YAML."""
    return "{" + ", ".join(f"{p}: {f}" for p, f in forms.items()) + "}"


def _made(where: str, make: Any) -> nn.Module:
    try:
        module: nn.Module = make()
    except Exception as err:
        raise IsocostError(f"{where}: it cannot be made: {type(err).__name__}: {err}") from err
    return module


def _run(where: str, module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What the module makes of x. Raises IsocostError unless it is one tensor that keeps the batch."""
    try:
        with torch.no_grad():
            y = module(x.clone())
            one = module(x[:1].clone())
    except Exception as err:
        raise IsocostError(f"{where}: it does not take {list(x.shape[1:])}, which the part before it hands on: {type(err).__name__}: {str(err).splitlines()[0] if str(err) else ''}") from err
    if not isinstance(y, torch.Tensor) or not isinstance(one, torch.Tensor):
        raise IsocostError(f"{where}: it returns {type(y).__name__}, not one tensor")
    if y.dim() < 2 or y.shape[0] != x.shape[0] or one.shape[1:] != y.shape[1:] or one.shape[0] != 1:
        raise IsocostError(f"{where}: of a batch of {len(x)} it makes shape {list(y.shape)}, of one sample {list(one.shape)}", "its shape must not depend on the data, and the batch is the first axis")
    if y.dim() > 4 or not y.is_floating_point():
        raise IsocostError(f"{where}: it hands on {y.dtype} of shape {list(y.shape)}", "[c, h, w], [tokens, dim] or [c] of float32")
    return y


def _export(where: str, module: nn.Module, x: torch.Tensor, precision: str, files: Files, signs: Signs) -> bytes:
    """The module as the bytes of an ONNX file; equal modules have equal bytes.

    Its batch is open where the module takes any, else 1.
    """
    import onnx

    plain, batched = _traced(where, module, x, batched=True), True
    if not _takes_two(module, plain, x):
        plain, batched = _traced(where, module, x, batched=False), False
    _same(where, module, plain, x)
    if precision in ("fp16", "bf16"):
        kind = torch.float16 if precision == "fp16" else torch.bfloat16
        return _traced(where, _cast(module, kind), x.to(kind), batched=batched)
    if precision == "fp32":
        return plain
    # Where the samples are arbitrary, modules that are equal in float are equal in int8 too,
    # one file and one measurement, wherever they stand.
    key = (hashlib.sha256(plain).hexdigest(), signs)
    if files.own_ranges or key not in files.int8:
        try:
            files.int8[key] = normalised(quantised(onnx.load_from_string(plain), x.numpy(), signs))
        except Exception as err:
            raise IsocostError(f"{where}: onnxruntime cannot quantise it: {type(err).__name__}: {err}") from err
    return files.int8[key]


def _traced(where: str, module: nn.Module, x: torch.Tensor, *, batched: bool) -> bytes:
    """The module as torch exports it: of one sample, or of a batch left open."""
    import onnx

    axes = {"x": {0: "N"}, "y": {0: "N"}} if batched else None
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # what the trace froze is found out below, where it matters
            torch.onnx.export(module, (x[:1].clone(),), buffer, dynamo=False, opset_version=OPSET, input_names=["x"], output_names=["y"], dynamic_axes=axes)
    except Exception as err:
        text = str(err).strip().splitlines()
        raise IsocostError(
            f"{where}: it cannot be exported: {type(err).__name__}: {text[0] if text else ''}",
            "operators that ONNX has, and no shape or branch that depends on the data",
        ) from err
    return normalised(onnx.load_from_string(buffer.getvalue()))


def _session(data: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _near(got: "np.ndarray[Any, Any]", want: "np.ndarray[Any, Any]") -> bool:
    return got.shape == want.shape and np.allclose(got, want, rtol=1e-3, atol=1e-4 * max(1.0, float(np.abs(want).max())))


def _takes_two(module: nn.Module, data: bytes, x: torch.Tensor) -> bool:
    """Whether the file computes of two samples what the module computes of each."""
    two = torch.cat([x[:1], x[-1:]])
    try:
        with torch.no_grad():
            want = torch.cat([module(two[:1].clone()), module(two[1:].clone())]).numpy()
        got = _session(data).run(None, {"x": two.numpy()})[0]
    except Exception:  # it has the number of samples somewhere as a constant, or depends on the data
        return False
    return _near(got, want)


def _same(where: str, module: nn.Module, data: bytes, x: torch.Tensor) -> None:
    """Raises IsocostError unless the file computes what the module does, on ordinary inputs and on odd ones."""
    session = _session(data)
    ordinary = [("an ordinary input", x[i : i + 1]) for i in range(min(len(x), SAMPLES))]
    for name, sample in [*ordinary, ("negative inputs", -x[:1].abs()), ("zeros", torch.zeros_like(x[:1])), ("large inputs", 100 * x[-1:])]:
        with torch.no_grad():
            want = module(sample.clone()).numpy()
        got = session.run(None, {"x": sample.numpy()})[0]
        if not _near(got, want):
            raise IsocostError(f"{where}: exported, it computes something else on {name}", "no shape or branch may depend on the data: an export keeps the one it saw")


def _cast(module: nn.Module, kind: torch.dtype) -> nn.Module:
    import copy

    return copy.deepcopy(module).to(kind)


def normalised(model: Any) -> bytes:
    """The model without what says where it came from: names by order, no notes."""
    g = model.graph
    names: dict[str, str] = {"": ""}

    def name(old: str, prefix: str = "v") -> str:
        return names.setdefault(old, f"{prefix}{len(names)}")

    for v in g.input:
        names[v.name] = "x"
    for v in g.output:
        names[v.name] = "y"
    for i, node in enumerate(g.node):
        node.name, node.doc_string = f"n{i}", ""
        for values in (node.input, node.output):
            new = [name(v) for v in values]
            del values[:]
            values.extend(new)
        del node.metadata_props[:]
    for tensor in g.initializer:
        tensor.name, tensor.doc_string = name(tensor.name), ""
    for v in [*g.input, *g.output]:
        v.name, v.doc_string = name(v.name), ""
    del g.value_info[:], model.metadata_props[:], g.metadata_props[:]
    g.name, g.doc_string, model.doc_string = "module", "", ""
    model.producer_name, model.producer_version = "isocost", ""
    ordered = sorted(g.initializer, key=lambda t: int(t.name[1:]) if t.name[1:].isdigit() else -1)
    kept = [t.__class__.FromString(t.SerializeToString()) for t in ordered]
    del g.initializer[:]
    g.initializer.extend(kept)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
