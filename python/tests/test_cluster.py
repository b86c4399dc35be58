"""Searches on a real Ray cluster of several nodes, some of which die."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import isocost
from isocost import programs

pytestmark = pytest.mark.ray

EVALUATOR = """
import os, random, time
import isocost

TRAININGS, SECONDS, DIES = {trainings!r}, {seconds}, {dies}

@isocost.evaluator
def train(arch, seed, fidelity):
    with open(TRAININGS, "a") as f:
        f.write(f"{{arch.key}} {{seed}}\\n")
    time.sleep(SECONDS)
    if DIES and seed % 20 == 0 and not os.path.exists(f"{{TRAININGS}}.{{seed}}"):
        open(f"{{TRAININGS}}.{{seed}}", "w").close()
        os.kill(os.getpid(), 9)
    good = sum(x.choice == "1" for x in arch.layers)
    return good + random.gauss(0, 0.2)

if __name__ == "__main__":
    if os.environ.get("RAY_ADDRESS"):
        isocost.serve(train, on="ray", concurrency=12, cpus=1, retries=5)
    else:
        isocost.serve(train)
"""


@pytest.fixture(scope="module")
def cluster():
    """A head without work, as on a login node, and four workers of four slots, two of which will die."""
    pytest.importorskip("ray", reason="make test-python has Ray")
    from ray.cluster_utils import Cluster

    c = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    c.workers = [c.add_node(num_cpus=4) for _ in range(4)]
    yield c
    c.shutdown()


class Job:
    """A search over three layers of two choices, all of one cost, and the log of its trainings."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "trainings"
        rows = [{"arch": f"{a}|{b}|{c}", "utility": 1.0, "us": 100.0} for a in "01" for b in "01" for c in "01"]
        self.table = isocost.tabular(rows, folder / "space.jsonl", cost=["us"])
        self.evaluator(0.15)

    def evaluator(self, seconds: float, dies: bool = False) -> None:
        (self.folder / "evaluator.py").write_text(EVALUATOR.format(trainings=str(self.log), seconds=seconds, dies=dies))

    def command(self, out: str) -> list[str]:
        return [
            str(programs.find("isosearch")), "run", "--space", str(self.table), "--lut", "space:us", "--evaluator", f"exec:{sys.executable} {self.folder}/evaluator.py",
            "--epsilon", "0.3", "--explore", "none", "--workers", "12", "--batch", "12", "-o", str(self.folder / out),
        ]  # fmt: skip

    def trained(self) -> Counter[str]:
        """How often each (architecture, seed) was trained."""
        return Counter(self.log.read_text().splitlines()) if self.log.exists() else Counter()


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


@pytest.fixture
def on_ray(cluster, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    return cluster


def utilities(run: Path) -> dict[tuple[str, int], float]:
    """What the journal has, each (arch, seed) once, none failed."""
    entries = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()[1:]]
    assert not [e for e in entries if e["kind"] == "fail"]
    evals = [((e["arch"], e["seed"]), e["utility"]) for e in entries if e["kind"] == "eval"]
    assert len(dict(evals)) == len(evals)
    return dict(evals)


def test_nodes_that_die_cost_their_own_trainings_a_retry(on_ray, job, monkeypatch):
    """Nodes are killed at random while a search runs: it ends as in one process, and only what they were at ran twice."""
    p = subprocess.Popen(job.command("run"), stderr=subprocess.PIPE, text=True)
    chance, killed = random.Random(1), 0
    while not job.trained():
        assert p.poll() is None, p.stderr.read()
        time.sleep(0.1)
    for _ in range(2):
        time.sleep(chance.uniform(0.3, 0.6))
        assert p.poll() is None, "the search was over before all had died that were to"
        victim = on_ray.workers.pop(chance.randrange(len(on_ray.workers)))
        on_ray.remove_node(victim, allow_graceful=False)  # SIGKILL
        killed += 1
    _, err = p.communicate(timeout=300)
    assert p.returncode == 0, err
    runs, got = job.trained(), utilities(job.folder / "run")
    assert len(got) == len(runs)
    again = sum(n - 1 for n in runs.values())
    assert again <= 4 * killed, f"{again} trainings ran again, but {killed} nodes of 4 slots died"
    # The same search in one process, without Ray, has the same utilities.
    monkeypatch.delenv("RAY_ADDRESS")
    job.evaluator(0)
    subprocess.run(job.command("alone"), check=True, capture_output=True)
    assert utilities(job.folder / "alone") == got
    assert "every number recomputed" in isocost.Run(job.folder / "run").verify()


def test_a_killed_search_takes_up_what_runs(on_ray, job):
    """isosearch is killed twice and started again: no training runs twice."""
    job.evaluator(0.7)
    for _ in range(2):
        began = sum(job.trained().values())
        p = subprocess.Popen(job.command("run"), stderr=subprocess.DEVNULL)
        while sum(job.trained().values()) < began + 6:
            assert p.poll() is None
            time.sleep(0.05)
        p.send_signal(signal.SIGKILL)
        p.wait()
    last = subprocess.run(job.command("run"), capture_output=True, text=True, timeout=300)
    assert last.returncode == 0, last.stderr
    runs = job.trained()
    assert max(runs.values()) == 1, f"{sum(n > 1 for n in runs.values())} of {len(runs)} trainings ran twice"
    assert len(utilities(job.folder / "run")) <= len(runs)


def test_a_worker_that_dies_is_tried_again(on_ray, job):
    job.evaluator(0.05, dies=True)
    p = subprocess.run(job.command("run"), capture_output=True, text=True, timeout=300)
    assert p.returncode == 0, p.stderr
    got, runs = utilities(job.folder / "run"), job.trained()
    deaths = sum(seed % 20 == 0 for _, seed in got)
    assert deaths > 1 and sum(runs.values()) == len(got) + deaths
