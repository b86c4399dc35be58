"""The harness's own share of what it measures, beside a bare loop in C and the runtime's Python loop."""

import os
import pathlib
import shutil
import subprocess

from figures import ratio
from sides import Side, in_turn

TITLE = "The harness"
TEXT = """The agent's measuring child, driven as a campaign drives it, beside loops in C that do nothing else (`scripts/bench/loop`) and
beside onnxruntime's Python loop, on the same model files – chains of three convolutions – and the same library (of Python, its own of the version named
above). Each round takes 60 runs of each, in turn; the figure is how many times as long as in the bare loop a run takes, by medians of
the rounds. Two sessions of one model differ by where their buffers lie, so each side opens the model anew for a third of the rounds."""

# Rough cost on ONNX Runtime → channels and side of three convolutions.
SIZES = {"5 µs": (4, 4), "10 µs": (8, 8), "45 µs": (16, 16), "500 µs": (32, 32), "5 ms": (64, 48)}


def measure(bench):
    figures = []
    for runtime, backend, format in (("ONNX Runtime", "ort", "onnx"), ("LiteRT", "tflite", "tflite")):
        loop = {"ort": bare, "tflite": bare_litert}[backend](bench)
        for size, (channels, side) in SIZES.items():
            net = bench.scratch / f"net-{channels}-{side}.{format}"
            convolution = f"conv[act=relu6,k=3,s=1]/fp32@cin={channels},cout={channels},h={side},w={side}"
            bench.ours().ask("model", net, format, *[convolution] * 3)
            got = {"ours": [], "bare": [], "python": []}
            for _ in range(bench.rounds(3)):
                rounds(bench, loop, backend, net, got)
            name = f"{runtime}, three convolutions of {channels} channels, {side} × {side}"
            f = ratio(name, got["bare"], got["ours"], "the bare loop in C", 1.02 if median(got["bare"]) > 40e-6 else None, "less")
            f.detail = f"bare {1e6 * median(got['bare']):.1f} µs, harness {1e6 * median(got['ours']):.1f} µs"
            figures.append(f)
            if got["python"]:
                f = ratio(name + ", its Python loop", got["bare"], got["python"], "the bare loop in C", None, "less")
                f.detail = f"bare {1e6 * median(got['bare']):.1f} µs, Python {1e6 * median(got['python']):.1f} µs"
                figures.append(f)
    return figures


def rounds(bench, loop, backend, net, got):
    """Opens the model on all sides and measures it in turn."""
    ours, theirs = Side([bench.scratch / "ours"]), bench.theirs()
    library = ours.ask("harness", bench.bin / "agent", backend)["library"]
    side = Side([loop, library])
    try:
        ours.ask("harness-open", net)
        side.ask("open", net)
        sides = {"ours": lambda: ours.ask("harness-visit", net, 60)["median_us"] / 1e6, "bare": lambda: side.ask("run", 0, 60, 2)["median_us"] / 1e6}
        if backend == "ort":
            theirs.ask("ort-open", net)
            sides["python"] = lambda: theirs.ask("ort-run", 60)["median_s"]
        for name, values in in_turn(bench.rounds(12), **sides).items():
            got[name] += values
    finally:
        ours.close()
        side.close()


def median(values):
    return sorted(values)[len(values) // 2]


def bare(bench):
    """The loop over ONNX Runtime, compiled with the header of the Go binding in the module cache."""
    binding = subprocess.run(["go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go"], cwd=bench.here, capture_output=True, text=True, check=True)
    return compiled(bench, "ort", "-I", binding.stdout.strip())


def bare_litert(bench):
    """The loop over LiteRT, with the agent's declarations of its C API."""
    declared = bench.here.parent.parent / "agent" / "tflite"
    return compiled(bench, "litert", "-I", declared, declared / "litert.c")


def compiled(bench, name, *arguments):
    program = bench.scratch / f"loop-{name}"
    compiler = os.environ.get("CC") or shutil.which("cc")
    subprocess.run([compiler, "-O2", "-o", program, bench.here / "loop" / f"{name}.c", *arguments, "-ldl"], check=True)
    return pathlib.Path(program)
