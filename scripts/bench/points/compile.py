"""costgen compile: how it grows, and the regression inside it beside public ones."""

from figures import amount, bytes_text, growth, ratio
from sides import in_turn

TITLE = "Compiling"
TEXT = """Records of a made-up device with 1 % noise, five a cell, 250 cells a family; cells in families of 250 and all in one. Memory is
what compiling adds to the records. The file is one of records with all the evidence that a campaign writes, read, checked line by line, compiled and written. The regressions
are the same points on both sides: on a line by scikit-learn, on a cube of points by OSQP and by quadprog's dense solver. The difference is
the largest of any value."""

RECORDS = (10_000, 100_000, 1_000_000)
CELLS = (1_000, 10_000, 100_000)


def measure(bench):
    figures = []
    for what, sizes, words, aims in (
        ("records", RECORDS, lambda n: ("compile-records", n), (2, None)),
        ("cells in families of 250", CELLS, lambda n: ("compile-cells", n, 250), (10, 300e6)),
        ("cells in one family", CELLS, lambda n: ("compile-cells", n, n), (10, 300e6)),
    ):
        costs, memory = [], []
        for n in sizes:
            answers = [bench.fresh_ours(*words(n)) for _ in range(bench.rounds(3 if n < sizes[-1] else 2))]
            costs.append(min(a["s"] for a in answers))
            memory.append(min(a["bytes"] for a in answers))
        figures.append(growth(f"time by {what}", sizes, costs, 1.3))
        figures.append(amount(f"{sizes[-1]:,} {what}", [a["wall_s"] for a in answers], "s", aims[0]))
        figures.append(amount(f"{sizes[-1]:,} {what}, memory", [a["bytes"] for a in answers], "B", aims[1],
                              detail=f"{bytes_text(memory[-1] / sizes[-1])} each"))
    return figures + [file(bench)] + regressions(bench)


def file(bench):
    path, n = bench.scratch / "records.jsonl", 200_000
    bench.fresh_ours("records-file", n, path)
    took = [bench.program(bench.bin / "costgen", "compile", path, "-o", bench.scratch / "made-up.lut.json") for _ in range(bench.rounds(2))]
    path.unlink()
    return amount(f"costgen compile of a file of {n:,} records", [t["wall_s"] for t in took], "s",
                  detail=f"{bytes_text(took[0]['bytes'])} of memory")


def regressions(bench):
    ours, theirs = bench.ours(), bench.theirs()
    names = [bench.scratch / n for n in ("y.f64", "w.f64", "x.f64")]
    figures = []
    for title, beside, asked, mine, rounds, tolerance, aim in (
        ("weighted isotonic regression of 10⁶ points", "scikit-learn", ("line", 1_000_000), ("chain",), 7, 1e-9, 5),
        ("projection of a cube of 12³ points", "OSQP", ("cube-osqp", 12), ("product", 12), 5, 1e-3, None),
        ("projection of a cube of 8³ points", "quadprog", ("cube-quadprog", 8), ("product", 8), 5, 1e-8, None),
    ):
        theirs.ask(*asked, *names)
        got = in_turn(bench.rounds(rounds), ours=lambda: ours.ask(mine[0], *names, *mine[1:]), theirs=lambda: theirs.ask(*asked, *names))
        worst = max(a["differs"] for a in got["ours"])
        if worst > tolerance:
            raise RuntimeError(f"{title}: the sides differ by {worst}")
        f = ratio(title, [a["s"] for a in got["ours"]], [a["s"] for a in got["theirs"]], beside, aim)
        f.detail += f"; difference {worst:.1g}"
        figures.append(f)
    return figures
