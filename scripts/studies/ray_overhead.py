"""What isocost.serve(on="ray") takes beside Ray itself: make ray-overhead.

1,000 trainings that sleep 10 ms, 64 in flight, on a Ray cluster of this machine: by a bare loop of
ray.wait and ray.get, and by an evaluator that is asked over the exec protocol, in turn. Prints the
page docs/results/ray-overhead.md.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Iterable

import ray

ROOT = Path(__file__).resolve().parents[2]
TRAININGS, SECONDS, FLIGHT, PAIRS = 1000, 0.010, 64, int(sys.argv[1]) if len(sys.argv) > 1 else 20

#: How long the first trainings take, in seconds: so long that Ray starts a worker for each of them.
START = 10.0

EVALUATOR = f"""
import sys, time
sys.path.insert(0, {str(ROOT / "python")!r})
import isocost

@isocost.evaluator
def train(arch, seed, fidelity):
    time.sleep({SECONDS} if fidelity == 1 else {START})
    return float(seed)

isocost.serve(train, on="ray", concurrency={FLIGHT}, address=sys.argv[1])
"""


@ray.remote(num_cpus=1)
def training(arch: str, seed: int, fidelity: float) -> float:
    """The same training as a bare task of Ray."""
    time.sleep(SECONDS if fidelity == 1 else START)
    return float(seed)


def bare(seeds: range, fidelity: float = 1.0) -> float:
    """Seconds that a plain loop takes for the trainings."""
    began, rest, flying, total = time.perf_counter(), iter(seeds), [], 0.0
    flying = [training.remote("a|b", s, fidelity) for s in itertools.islice(rest, FLIGHT)]
    while flying:
        done, flying = ray.wait(flying, num_returns=1)
        total += ray.get(done[0])
        flying += [training.remote("a|b", s, fidelity) for s in itertools.islice(rest, 1)]
    assert total == sum(seeds)
    return time.perf_counter() - began


class Ours:
    """An evaluator process, asked as isosearch does."""

    def __init__(self, address: str) -> None:
        file = Path(tempfile.mkdtemp()) / "evaluator.py"
        file.write_text(EVALUATOR)
        self.process = subprocess.Popen([sys.executable, file, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None and self.process.stdin is not None
        self.answers, self.requests = self.process.stdout, self.process.stdin
        assert json.loads(self.answers.readline())["concurrency"] == FLIGHT

    def run(self, seeds: range, fidelity: float = 1.0) -> float:
        """Seconds that the evaluator takes for the trainings."""
        began, rest, open, total = time.perf_counter(), iter(seeds), 0, 0.0
        open = self.ask(itertools.islice(rest, FLIGHT), fidelity)
        while open:
            answer = json.loads(self.answers.readline())
            total += answer["utility"]
            open += self.ask(itertools.islice(rest, 1), fidelity) - 1
        assert total == sum(seeds)
        return time.perf_counter() - began

    def ask(self, seeds: Iterable[int], fidelity: float) -> int:
        """Writes requests; how many."""
        lines = [b'{"id":"%d","arch":"a|b","layers":[{"choice":"a","width":0},{"choice":"b","width":0}],"seed":%d,"fidelity":%g}\n' % (s, s, fidelity) for s in seeds]
        if lines:
            self.requests.write(b"".join(lines))
            self.requests.flush()
        return len(lines)


def main() -> None:
    # Both keep their workers, which Ray would else end while the other has its turn.
    keep = {"num_workers_soft_limit": 4 * FLIGHT, "idle_worker_killing_time_threshold_ms": 3_600_000}
    context = ray.init(num_cpus=2 * FLIGHT, include_dashboard=False, logging_level="error", log_to_driver=False, _system_config=keep)
    ours = Ours(context.address_info["address"])
    seeds = (range(n * TRAININGS, (n + 1) * TRAININGS) for n in itertools.count())
    for f in (bare, ours.run):
        print(f"{FLIGHT} workers in {f(next(seeds)[:FLIGHT], 0.5):.0f} s; first {f(next(seeds)):.2f} s", file=sys.stderr)
    pairs = []
    for n in range(PAIRS):
        two = {}
        for f in [bare, ours.run][:: 1 if n % 2 else -1]:
            two[f] = f(next(seeds))
        pairs.append((two[bare], two[ours.run]))
        print(f"bare {pairs[-1][0]:.3f} s, isocost {pairs[-1][1]:.3f} s", file=sys.stderr)
    ours.requests.close()
    ours.process.wait(60)
    ratios = sorted(b / a for a, b in pairs)
    low, middle, high = statistics.quantiles(ratios, n=4)
    a, b = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    print(f"""# Ray, and what isocost adds

{TRAININGS:,} trainings of {SECONDS * 1000:.0f} ms, {FLIGHT} in flight, on a Ray {ray.__version__} cluster of one node: a bare loop of `ray.wait` and `ray.get`, and an
evaluator of `isocost.serve(train, on="ray")` asked over the exec protocol. {PAIRS} pairs in turn, after both had run once.

| | seconds, median | per training |
|---|---|---|
| bare Ray | {a:.3f} | {a / TRAININGS * 1e3:.2f} ms |
| isocost | {b:.3f} | {b / TRAININGS * 1e3:.2f} ms |

The ratio of a pair is {middle:.2f} at the median, {low:.2f} to {high:.2f} in the middle half, {ratios[0]:.2f} to {ratios[-1]:.2f} in all. {TRAININGS:,} trainings of
{SECONDS * 1000:.0f} ms that nothing kept waiting would take {TRAININGS * SECONDS / FLIGHT:.2f} s.""")


if __name__ == "__main__":
    main()
