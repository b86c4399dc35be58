"""Searches: the driver's own time, its journal and memory."""

from figures import amount, bytes_text, growth, time_text

TITLE = "Searching"
TEXT = """An evaluator that answers at once, so that what is measured is the search itself: choosing, proving, writing every evaluation
down. A journal is resumed by running the same search again: all its evaluations are read and every decision is repeated. Memory is what the
search adds to the process."""

EVENTS = (40_000, 400_000)


def measure(bench):
    figures = []
    for workers in (1, 2, 8, 64):
        took = [bench.fresh_ours("driver", 40_000, workers) for _ in range(bench.rounds(3))]
        figures.append(amount(f"evaluations a second by the clock, {workers} workers", [t["evaluations"] / t["wall_s"] for t in took], "/s", better="more",
                              detail=f"{time_text(min(t['s'] / t['evaluations'] for t in took))} of processor each"))
    return figures + journal(bench) + [large(bench)]


def journal(bench):
    written, read = [], []
    for n in EVENTS:
        folder = bench.scratch / f"run-{n}"
        written.append(bench.fresh_ours("continued", folder, n))
        read.append(min((bench.fresh_ours("continued", folder, n) for _ in range(bench.rounds(2))), key=lambda t: t["s"]))
    events = [t["evaluations"] for t in written]
    million = 1e6 / events[-1]
    return [
        growth("searching by evaluations", events, [t["s"] for t in written], 1.2),
        growth("resuming by evaluations", events, [t["s"] for t in read], 1.2),
        amount("resuming a journal of 10⁶ evaluations, by the clock", [million * read[-1]["wall_s"]], "s", 5,
               detail=f"of {events[-1]:,}, in proportion; {bytes_text(written[-1]['journal_bytes'] / events[-1])} an evaluation"),
        amount("memory of a search of 10⁶ evaluations", [million * written[-1]["bytes"]], "B", detail=f"of {events[-1]:,}, in proportion"),
        amount("memory of resuming one of 10⁶", [million * read[-1]["bytes"]], "B", detail=f"of {events[-1]:,}, in proportion"),
    ]


def large(bench):
    took = [bench.fresh_ours("space", 200, 50, 2_000) for _ in range(bench.rounds(2))]
    return amount("a search of 2,000 evaluations over 200 layers × 50 choices", [t["s"] for t in took], "s",
                  detail=f"9,800 neighbours; {bytes_text(took[0]['bytes'])}")
