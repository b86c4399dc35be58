"""A converter of small modules to .tflite, and the runtime's C library to run them."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import flatbuffers
import numpy as np
import pytest

CONV_2D, FULLY_CONNECTED, RELU, PAD, TRANSPOSE, MEAN = 3, 9, 19, 34, 39, 40
FLOAT32, INT32 = 0, 2


class _File:
    """Tables of schema.fbs (TensorFlow Lite, version 3), slot by slot."""

    def __init__(self):
        self.tensors, self.buffers, self.operators = [], [b""], []

    def tensor(self, shape, data=None):
        if data is not None:
            self.buffers.append(data.tobytes())
        kind = INT32 if data is not None and data.dtype == np.int32 else FLOAT32
        self.tensors.append((list(shape), kind, len(self.buffers) - 1 if data is not None else 0))
        return len(self.tensors) - 1

    def constant(self, values, kind=np.float32):
        data = np.ascontiguousarray(values, kind)
        return self.tensor(data.shape, data)

    def op(self, code, inputs, shape, options=0, fields=()):
        y = self.tensor(shape)
        self.operators.append((code, inputs, [y], options, fields))
        return y

    def bytes(self, x, y):
        b = flatbuffers.Builder(1 << 16)

        def table(*slots):
            """slots: (write, value, default); None leaves one out."""
            b.StartObject(len(slots))
            for i, slot in enumerate(slots):
                if slot is not None:
                    getattr(b, f"Prepend{slot[0]}Slot")(i, slot[1], 0)
            return b.EndObject()

        def numbers(values):
            b.StartVector(4, len(values), 4)
            for v in reversed(values):
                b.PrependInt32(v)
            return "UOffsetTRelative", b.EndVector()

        def tables(offsets):
            b.StartVector(4, len(offsets), 4)
            for o in reversed(offsets):
                b.PrependUOffsetTRelative(o)
            return "UOffsetTRelative", b.EndVector()

        def raw(data):
            b.Prep(16, len(data))
            return "UOffsetTRelative", b.CreateByteVector(data)

        codes = sorted({o[0] for o in self.operators})
        buffers = tables([table(raw(data)) for data in self.buffers])
        tensors = []
        for i, (shape, kind, buffer) in enumerate(self.tensors):
            at, name = numbers(shape), ("UOffsetTRelative", b.CreateString(f"t{i}"))
            tensors.append(table(at, ("Int8", kind), ("Uint32", buffer), name))
        operators = []
        for code, inputs, outputs, options, fields in self.operators:
            own = ("UOffsetTRelative", table(*fields))
            a, z = numbers(inputs), numbers(outputs)
            operators.append(table(("Uint32", codes.index(code)), a, z, ("Byte", options), own) if options else table(("Uint32", codes.index(code)), a, z))
        parts = tables(tensors), numbers([x]), numbers([y]), tables(operators)
        graph = tables([table(*parts)])
        listed = tables([table(("Int8", c), None, ("Int32", 1), ("Int32", c)) for c in codes])
        b.Finish(table(("Uint32", 3), listed, graph, None, buffers), file_identifier=b"TFL3")
        return bytes(b.Output())


def convert(module, shape, first=False):
    """A sequence of convolutions, ReLUs and a head as .tflite; with first its maps have their channels first, as torch's."""
    from torch import nn

    f, (c, h, w) = _File(), shape
    x = y = f.tensor([1, c, h, w] if first else [1, h, w, c])
    if first:
        y = f.op(TRANSPOSE, [y, f.constant([0, 2, 3, 1], np.int32)], [1, h, w, c], 26)
    flat = False
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            k, s, p = m.kernel_size[0], m.stride[0], m.padding[0]
            if p:
                y = f.op(PAD, [y, f.constant([[0, 0], [p, p], [p, p], [0, 0]], np.int32)], [1, h + 2 * p, w + 2 * p, c], 22)
            c, h, w = m.out_channels, (h + 2 * p - k) // s + 1, (w + 2 * p - k) // s + 1
            weights = f.constant(m.weight.detach().permute(0, 2, 3, 1).numpy()), f.constant(m.bias.detach().numpy())
            one = ("Int32", 1)
            y = f.op(CONV_2D, [y, *weights], [1, h, w, c], 1, (("Int8", 1), ("Int32", s), ("Int32", s), ("Int8", 0), one, one))
        elif isinstance(m, nn.ReLU):
            y = f.op(RELU, [y], [1, h, w, c])
        elif isinstance(m, nn.AdaptiveAvgPool2d):
            y, flat = f.op(MEAN, [y, f.constant([1, 2], np.int32)], [1, c], 27), True
        elif isinstance(m, nn.Linear):
            c = m.out_features
            y = f.op(FULLY_CONNECTED, [y, f.constant(m.weight.detach().numpy()), f.constant(m.bias.detach().numpy())], [1, c], 8)
    if first and not flat:
        y = f.op(TRANSPOSE, [y, f.constant([0, 3, 1, 2], np.int32)], [1, c, h, w], 26)
    return f.bytes(x, y)


def run(path, x, size):
    """What TensorFlow Lite's C library makes of x, flat: size numbers."""
    root = Path(__file__).resolve().parents[2]
    found = sorted((root / ".native").glob("linux-*/tflite/libtensorflowlite_c.so"))
    if not found:
        if os.environ.get("ISOCOST_REQUIRE_NATIVE"):
            pytest.fail("no library of TensorFlow Lite: scripts/setup-native.sh tflite")
        pytest.skip("no library of TensorFlow Lite: scripts/setup-native.sh tflite")
    lib = ctypes.CDLL(str(found[0]))
    for name in ("TfLiteModelCreateFromFile", "TfLiteInterpreterCreate", "TfLiteInterpreterGetInputTensor", "TfLiteInterpreterGetOutputTensor"):
        getattr(lib, name).restype = ctypes.c_void_p
    handle = ctypes.c_void_p
    model = handle(lib.TfLiteModelCreateFromFile(str(path).encode()))
    session = handle(lib.TfLiteInterpreterCreate(model, None))
    assert lib.TfLiteInterpreterAllocateTensors(session) == 0
    x, y = np.ascontiguousarray(x, np.float32), np.zeros(size, np.float32)
    assert lib.TfLiteTensorCopyFromBuffer(handle(lib.TfLiteInterpreterGetInputTensor(session, 0)), x.ctypes.data_as(handle), ctypes.c_size_t(x.nbytes)) == 0
    assert lib.TfLiteInterpreterInvoke(session) == 0
    assert lib.TfLiteTensorCopyToBuffer(handle(lib.TfLiteInterpreterGetOutputTensor(session, 0)), y.ctypes.data_as(handle), ctypes.c_size_t(y.nbytes)) == 0
    lib.TfLiteInterpreterDelete(session)
    lib.TfLiteModelDelete(model)
    return y
