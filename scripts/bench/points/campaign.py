"""Device time to a stated accuracy, beside other protocols."""

import json
import math
import time

from figures import amount
from sides import Side

TITLE = "Device time to an accuracy"
TEXT = """Twenty-eight models, measured by our campaign, by nn-Meter's protocol (10 warm-up runs, then the mean of 50, one model after
another), by benchmark_model's (half a second of warm-up, then the mean of a second) and by a plain loop that runs every model once a round
and takes medians; the last three by the bare loop in C. Each is judged by what it says of the models' costs relative to each other – the root mean
square of the logarithm of estimate over reference, their common factor taken out, so that a mean is not held against a median – and the reference is
the geometric mean of six campaigns of ours of 6 s, in processes of their own, since where buffers come to lie moves a model's cost from one process to
the next. Device time is what measuring took by the clock, opening the models included. Where the
reference's halves differ by as much as the errors, the host's speed moved meanwhile and the errors say nothing: such a run is not kept."""

SHAPES = [(c, s) for c in (8, 12, 16, 20, 24, 32, 40) for s in (10, 14, 20, 28)]


def measure(bench):
    import networks
    from points.harness import bare

    nets = [networks.convolutions(bench.scratch / f"net-{c}-{s}.onnx", c, s) for c, s in SHAPES]
    loop = bare(bench)
    found, references = {}, []
    for _ in range(bench.rounds(2)):
        for name, take in ((NN_METER, lambda: rival(bench, loop, nets, nn_meter)), (BENCHMARK_MODEL, lambda: rival(bench, loop, nets, benchmark_model)),
                           (PLAIN, lambda: rival(bench, loop, nets, plain)), (OURS, lambda: campaign(bench, nets, 4))):
            found.setdefault(name, []).append(take())
            if name != PLAIN:
                references.append(campaign(bench, nets, 6)[0])
    reference = together(references)
    odd, even = together(references[::2]), together(references[1::2])
    figures = [amount("the reference's halves differ by", [100 * error(odd, even)], "%")]
    for name, taken in found.items():
        figures.append(amount(f"error of {name}", [100 * error(e, reference) for e, _ in taken], "%", detail=f"{seconds(taken):.1f} s of device time"))
    figures.append(amount(f"device time of {BENCHMARK_MODEL} over that of {OURS}", [seconds(found[BENCHMARK_MODEL]) / seconds(found[OURS])], "×", 10, "more",
                          detail="at the errors above"))
    return figures


NN_METER, BENCHMARK_MODEL, PLAIN, OURS = "nn-Meter's protocol", "benchmark_model's protocol", "a plain loop of 4 s", "our campaign of 4 s"


def together(campaigns):
    """The geometric means of campaigns' estimates."""
    return [math.prod(e) ** (1 / len(e)) for e in zip(*campaigns)]


def seconds(taken):
    return sum(s for _, s in taken) / len(taken)


def error(estimates, reference):
    logs = [math.log(e / r) for e, r in zip(estimates, reference)]
    common = sum(logs) / len(logs)
    return math.sqrt(sum((x - common) ** 2 for x in logs) / len(logs))


def campaign(bench, nets, seconds):
    """Our campaign's estimates in microseconds, in the order of nets, and the device seconds it took."""
    out = json.loads(bench.run(bench.bin / "agent", "bench", "--backend", "ort", "--threads", "1", "--json", "--max-time", f"{seconds}s", *nets))
    by = {r["name"]: r["estimate_us"] for r in out["results"] if "estimate_us" in r}
    return [by[n.name] for n in nets], out["end"]["device_s"]


def rival(bench, loop, nets, protocol):
    """A protocol's estimates by the bare loop, and the seconds it took."""
    library = bench.ours().ask("harness", bench.bin / "agent", "ort")["library"]
    side = Side([loop, library])
    try:
        began = time.perf_counter()
        estimates = protocol(side, nets)
        return estimates, time.perf_counter() - began
    finally:
        side.close()


def nn_meter(side, nets):
    return [side.ask("run", side.ask("open", n)["model"], 50, 10)["mean_us"] for n in nets]


def benchmark_model(side, nets):
    out = []
    for n in nets:
        model = side.ask("open", n)["model"]
        one = side.ask("run", model, 5, 1)["mean_us"]
        out.append(side.ask("run", model, max(50, round(1e6 / one)), max(1, round(0.5e6 / one)))["mean_us"])
    return out


def plain(side, nets):
    for n in nets:
        side.ask("open", n)
    took, until = [[] for _ in nets], time.perf_counter() + 4
    while time.perf_counter() < until:
        for i, samples in enumerate(took):
            samples.append(side.ask("run", i, 1, 0)["median_us"])
    return [sorted(s)[len(s) // 2] for s in took]
