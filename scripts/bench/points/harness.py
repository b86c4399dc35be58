"""The harness's own share of what it measures, beside a bare loop in C and the runtime's Python loop."""

import os
import pathlib
import shutil
import subprocess

from figures import ratio
from sides import Side, in_turn

TITLE = "The harness"
TEXT = """The agent's measuring child, driven as a campaign drives it, beside a loop in C that does nothing else
(`scripts/bench/loop/ort.c`) and beside onnxruntime's Python loop, on the same model files and the same library (of Python, its own
of the version named above). Each round takes 60 runs of each, in turn; the figure is how many times as long as the bare loop the harness says a run takes,
by medians of the rounds. Two sessions of one model differ by where their buffers lie, so each side opens the model anew for a third
of the rounds."""

# Rough cost → channels and side of a chain of three convolutions.
SIZES = {"5 µs": (4, 4), "10 µs": (8, 8), "45 µs": (16, 16), "500 µs": (32, 32), "5 ms": (64, 48)}


def measure(bench):
    import networks

    loop = bare(bench)
    figures = []
    for size, (channels, side) in SIZES.items():
        net = networks.convolutions(bench.scratch / f"net-{channels}-{side}.onnx", channels, side)
        got = {"ours": [], "bare": [], "python": []}
        for _ in range(bench.rounds(3)):
            rounds(bench, loop, net, got)
        f = ratio(f"a run of about {size}", got["bare"], got["ours"], "the bare loop in C", 1.02 if channels >= 16 else None, "less")
        f.detail = f"bare {1e6 * median(got['bare']):.1f} µs, harness {1e6 * median(got['ours']):.1f} µs"
        figures.append(f)
        figures.append(ratio(f"a run of about {size} in Python", got["bare"], got["python"], "the bare loop in C", None, "less"))
    return figures


def rounds(bench, loop, net, got):
    """Opens the model on all sides and measures it in turn."""
    ours, theirs = Side([bench.scratch / "ours"]), bench.theirs()
    library = ours.ask("harness", bench.bin / "agent", "ort")["library"]
    side = Side([loop, library])
    try:
        ours.ask("harness-open", net)
        side.ask("open", net)
        theirs.ask("ort-open", net)
        measured = in_turn(bench.rounds(12), ours=lambda: ours.ask("harness-visit", net, 60)["median_us"] / 1e6,
                           bare=lambda: side.ask("run", 0, 60, 2)["median_us"] / 1e6, python=lambda: theirs.ask("ort-run", 60)["median_s"])
        for name, values in measured.items():
            got[name] += values
    finally:
        ours.close()
        side.close()


def median(values):
    return sorted(values)[len(values) // 2]


def bare(bench):
    """The loop in C, compiled with the header of the Go binding in the module cache."""
    binding = subprocess.run(["go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go"], cwd=bench.here, capture_output=True, text=True, check=True)
    program = bench.scratch / "loop-ort"
    compiler = os.environ.get("CC") or shutil.which("cc")
    subprocess.run([compiler, "-O2", "-I", binding.stdout.strip(), "-o", program, bench.here / "loop" / "ort.c", "-ldl"], check=True)
    return pathlib.Path(program)
