"""Networks that make bench reads: MobileNetV2 (Sandler et al., CVPR 2018) and chains of its blocks, as ONNX with random weights."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Table 2 of the paper: expansion, channels, blocks, stride of the first.
SETTINGS = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


class Writer:
    def __init__(self, shared=False):
        self.nodes, self.weights, self.shared, self.rng = [], {}, shared, np.random.default_rng(0)

    def weight(self, name, *shape):
        if self.shared:  # one tensor per shape: a long chain stays a small file
            name = "w_" + "_".join(map(str, shape))
        if name not in self.weights:
            self.weights[name] = numpy_helper.from_array((0.05 * self.rng.standard_normal(shape)).astype(np.float32), name)
        return name

    def scalar(self, name, value):
        self.weights.setdefault(name, numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    def node(self, op, inputs, **attributes):
        out = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [out], name=f"{op}_{len(self.nodes)}", **attributes))
        return out

    def conv(self, x, cin, cout, k, stride=1, group=1, relu6=True):
        n = len(self.nodes)
        w, b = self.weight(f"w{n}", cout, cin // group, k, k), self.weight(f"b{n}", cout)
        x = self.node("Conv", [x, w, b], kernel_shape=[k, k], strides=[stride, stride], pads=[k // 2] * 4, group=group)
        return self.node("Clip", [x, self.scalar("zero", 0), self.scalar("six", 6)]) if relu6 else x

    def block(self, x, cin, cout, expand, stride):
        """An inverted residual."""
        start, mid = x, cin * expand
        if expand != 1:
            x = self.conv(x, cin, mid, 1)
        x = self.conv(x, mid, mid, 3, stride, group=mid)
        x = self.conv(x, mid, cout, 1, relu6=False)
        return self.node("Add", [start, x]) if stride == 1 and cin == cout else x

    def save(self, path, x, shape, output):
        value = helper.make_tensor_value_info
        graph = helper.make_graph(self.nodes, path.stem, [value("input", TensorProto.FLOAT, shape)], [value(x, TensorProto.FLOAT, output)],
                                  list(self.weights.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return path


def mobilenet_v2(path):
    """MobileNetV2 at 224 × 224, 1000 classes, batch norms folded as exporters do. Returns path."""
    w = Writer()
    x, cin = w.conv("input", 3, 32, 3, 2), 32
    for expand, cout, blocks, stride in SETTINGS:
        for i in range(blocks):
            x = w.block(x, cin, cout, expand, stride if i == 0 else 1)
            cin = cout
    x = w.conv(x, cin, 1280, 1)
    x = w.node("Flatten", [w.node("GlobalAveragePool", [x])], axis=1)
    x = w.node("Gemm", [x, w.weight("classes", 1000, 1280), w.weight("bias", 1000)], transB=1)
    return w.save(path, x, [1, 3, 224, 224], [1, 1000])


def chain(path, nodes):
    """A chain of inverted residuals of 24 channels at 28 × 28, of at least so many nodes. Returns path."""
    w, x = Writer(shared=True), "input"
    while len(w.nodes) < nodes:
        x = w.block(x, 24, 24, 6, 1)
    return w.save(path, x, [1, 24, 28, 28], [1, 24, 28, 28])


def convolutions(path, channels, side):
    """Three convolutions of so many channels on square images. Returns path."""
    w, x = Writer(), "input"
    for _ in range(3):
        x = w.conv(x, channels, channels, 3)
    shape = [1, channels, side, side]
    return w.save(path, x, shape, shape)
