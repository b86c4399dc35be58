"""Device time to a stated accuracy, beside other protocols."""

import json
import math
import time

from figures import amount
from sides import Side

TITLE = "Device time to an accuracy"
TEXT = """Twenty-four models, measured by our campaign in various times, by nn-Meter's protocol (10 warm-up runs, then the mean of 50, one model after
another), by benchmark_model's (half a second of warm-up, then the mean of a second) and by a plain loop that runs every model once a round
and takes medians; the last three by the bare loop in C. Each is judged by what it says of the models' costs relative to each other – the root mean
square of the logarithm of estimate over reference, their common factor taken out, so that a mean is not held against a median – and the reference is
a campaign of ours of 50 s, half before and half after. Device time is what measuring took by the clock, opening the models included."""

SHAPES = [(c, s) for c in (8, 12, 16, 24, 32, 48) for s in (10, 14, 20, 28)]


def measure(bench):
    import networks
    from points.harness import bare

    nets = [networks.convolutions(bench.scratch / f"net-{c}-{s}.onnx", c, s) for c, s in SHAPES]
    loop = bare(bench)
    before = campaign(bench, nets, 25)[0]
    found = {}
    for _ in range(bench.rounds(2)):
        for name, take in (("nn-Meter's protocol", lambda: rival(bench, loop, nets, nn_meter)), ("benchmark_model's protocol", lambda: rival(bench, loop, nets, benchmark_model)),
                           ("a plain loop of 4 s", lambda: rival(bench, loop, nets, plain)), ("our campaign of 4 s", lambda: campaign(bench, nets, 4)),
                           ("our campaign of 8 s", lambda: campaign(bench, nets, 8))):
            found.setdefault(name, []).append(take())
    after = campaign(bench, nets, 25)[0]
    reference = [math.sqrt(a * b) for a, b in zip(before, after)]
    figures = [amount("the reference's two halves differ by", [100 * error(before, after)], "%")]
    for name, taken in found.items():
        errors = [100 * error(e, reference) for e, _ in taken]
        figures.append(amount(f"error of {name}", errors, "%", detail=f"{sum(s for _, s in taken) / len(taken):.1f} s of device time"))
    return figures


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
