"""costgen predict, the process's start included."""

import networks
from figures import amount, bytes_text, growth, ratio
from sides import in_turn

TITLE = "Predicting a model file"
TEXT = """`costgen predict --lut table net.onnx` as a process. Beside it a Python process that loads the file, infers its shapes with
onnx.shape_inference and adds up a dictionary's costs by operator and shapes. The growth is over chains of MobileNetV2's blocks, from
a table that knows all of their kernels: what grows is reading, folding, fusing and pricing."""

NODES = (600, 6_000, 60_000)


def measure(bench):
    folder = bench.scratch
    net = networks.mobilenet_v2(folder / "mobilenet_v2.onnx")
    chains = [networks.chain(folder / f"chain-{n}.onnx", n) for n in NODES]
    table = bench.simulated_table(net, chains[0])
    predict = [bench.bin / "costgen", "predict", "--json", "--lut", table]

    def ours(path):
        return lambda: bench.program(*predict, path)

    def theirs(path):
        return lambda: bench.program(bench.python, bench.here / "theirs" / "predict.py", path)

    got = in_turn(bench.rounds(7), ours=ours(net), theirs=theirs(net))
    figures = [
        amount("MobileNetV2, by the clock", [a["wall_s"] for a in got["ours"]], "s", 50e-3),
        amount("MobileNetV2, processor time", [a["s"] for a in got["ours"]], "s"),
        amount("MobileNetV2, memory", [a["bytes"] for a in got["ours"]], "B"),
        ratio("MobileNetV2", [a["s"] for a in got["ours"]], [a["s"] for a in got["theirs"]], "shape inference and a sum in Python"),
    ]
    costs, memory = [], []
    for path in chains:
        got = in_turn(bench.rounds(3), ours=ours(path), theirs=theirs(path))
        costs.append(min(a["s"] for a in got["ours"]))
        memory.append(min(a["bytes"] for a in got["ours"]))
    figures.append(growth("processor time by nodes", NODES, costs, 1.2))
    figures.append(growth("memory by nodes", NODES, memory, 1.2, text=bytes_text))
    figures.append(ratio(f"{NODES[-1]:,} nodes", [a["s"] for a in got["ours"]], [a["s"] for a in got["theirs"]], "shape inference and a sum in Python"))
    return figures
