"""int8 forms by onnxruntime's quantiser."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import numpy as np

__all__ = ["Signs", "quantised"]


class Signs(NamedTuple):
    """Whether what a module takes and what it hands on can be negative."""

    taken: bool
    handed: bool


class _Samples:
    """Hands the calibration's samples to the quantiser one by one."""

    def __init__(self, name: str, samples: "np.ndarray[Any, Any]") -> None:
        self._feeds: Iterator[dict[str, Any]] = iter([{name: s[None]} for s in samples])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def quantised(model: Any, samples: "np.ndarray[Any, Any]", signs: Signs) -> Any:
    """The model in int8, QDQ, static: weights per channel, what flows by its range over the samples.

    The settings are those of networks that this project measures (scripts/export_models.py). The
    interface stays float32; within, it is quantised symmetrically about 128 where it can be
    negative and from 0 on where not, so that its zero says nothing about the module.
    """
    import onnx
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(prefix="isocost-") as folder:
        src, pre, dst = (str(Path(folder) / f) for f in ("a.onnx", "b.onnx", "c.onnx"))
        onnx.save(model, src)
        quant_pre_process(src, pre, skip_symbolic_shape=True)
        q.quantize_static(
            pre, dst, _Samples(model.graph.input[0].name, samples.astype(np.float32)), quant_format=q.QuantFormat.QDQ, per_channel=True,
            activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8,
            extra_options={"TensorQuantOverrides": {v.name: [{"symmetric": signed}] for v, signed in zip((model.graph.input[0], model.graph.output[0]), signs)}},
        )  # fmt: skip
        return onnx.load(dst)
