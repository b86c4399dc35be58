"""What a model file costs, as one would add it up in Python: shapes by onnx.shape_inference, costs from a dictionary by operator and
shapes, here filled as they are met with what the multiply-adds say."""

import sys

import onnx


def cost(op, shapes):
    work = 1
    for shape in shapes:
        for d in shape:
            work *= d
    return 2.0 + 1e-6 * work


def total(path):
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    shapes = {i.name: tuple(i.dims) for i in model.graph.initializer}
    for v in [*model.graph.input, *model.graph.value_info, *model.graph.output]:
        shapes[v.name] = tuple(d.dim_value for d in v.type.tensor_type.shape.dim)
    table, sum = {}, 0.0
    for n in model.graph.node:
        key = n.op_type, tuple(shapes[i] for i in n.input if i), shapes[n.output[0]]
        if key not in table:
            table[key] = cost(n.op_type, [*key[1], key[2]])
        sum += table[key]
    return sum


print(total(sys.argv[1]))
