"""Lookups: what a search asks for ten thousand times a second."""

from figures import Figure, amount, ratio
from sides import in_turn

TITLE = "Lookups"
TEXT = """A table of the cells of a space of twenty layers, and networks drawn from it; both sides hold the same keys and costs, and
their sums agree. Beside it once-for-all's way, written afresh – a key put together per layer, a dictionary, a sum –, a dictionary asked
with keys that are ready, and a pandas series. A changed layer is a network that differs from the last one asked for in one layer."""


def measure(bench):
    ours, theirs = bench.ours(), bench.theirs()
    shared = bench.scratch / "lookups.json"
    made = ours.ask("lookups-prepare", bench.here / "space.yaml", shared)
    theirs.ask("lookups-prepare", shared)
    got = in_turn(
        bench.rounds(9),
        key=lambda: ours.ask("lookup"),
        architecture=lambda: ours.ask("architecture"),
        layer=lambda: ours.ask("changed-layer"),
        ready=lambda: theirs.ask("lookup"),
        once_for_all=lambda: theirs.ask("architecture"),
        pandas_key=lambda: theirs.ask("pandas-lookup"),
        pandas_sum=lambda: theirs.ask("pandas-architecture"),
    )
    s = {name: [a["s"] for a in answers] for name, answers in got.items()}
    kernels = [a["kernels_s"] for a in got["architecture"]]
    worst = max(a["differs"] for a in got["architecture"] + got["once_for_all"])
    if worst > 1e-9:
        raise RuntimeError(f"the sides' sums differ by {worst}")
    assert made["layers"] == 20
    allocations = max(a["allocations"] for name in ("key", "architecture", "layer") for a in got[name])
    return [
        amount("a cell by its key", s["key"], "s", 50e-9),
        amount("an architecture of 20 layers", s["architecture"], "s", 1e-6),
        amount("the same by its kernels, without a search's memory", kernels, "s"),
        amount("a changed layer", s["layer"], "s", 100e-9),
        Figure("allocations of any of these", allocations, allocations, allocations, "allocations", "less", aim=0),
        ratio("a cell", s["key"], s["ready"], "a Python dictionary"),
        ratio("a cell", s["key"], s["pandas_key"], "a pandas series"),
        ratio("an architecture", s["architecture"], s["once_for_all"], "once-for-all's way"),
        ratio("an architecture", s["architecture"], s["pandas_sum"], "a pandas series"),
        ratio("a changed layer", s["layer"], s["once_for_all"], "once-for-all's way, which sums anew"),
    ]
