"""Evaluators: whatever a training does, the search gets an answer."""

import json
import subprocess
import sys
import textwrap

import pytest

import isocost
from isocost import Arch

PROGRAM = """
import os, random, subprocess, sys
import numpy
import isocost

class OutOfMemoryError(RuntimeError):  # as torch's is named
    pass

@isocost.evaluator
def train(arch, seed, fidelity):
    print("printed by", arch)
    os.write(1, b"written to fd 1\\n")
    subprocess.run(["echo", "said by a child"])
    what = arch.layers[0].choice
    if what == "nan":
        return float("nan")
    if what == "inf":
        return numpy.float32("inf")
    if what == "raise":
        raise ValueError("bad width")
    if what == "oom":
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
    if what == "memory":
        raise MemoryError
    if what == "exit":
        sys.exit("gone")
    if what == "none":
        return None
    if what == "parts":
        return numpy.float64(0.5), {"loss": numpy.float32(0.25), "bad": float("nan")}
    if what == "read":
        return float(len(sys.stdin.read()))
    if what == "random":
        return random.random() + numpy.random.random()
    return seed + fidelity

if __name__ == "__main__":
    isocost.serve(train)
"""


def ask(tmp_path, *requests):
    """The answers to requests (choice, seed, fidelity), each given after the one before was answered."""
    path = tmp_path / "evaluator.py"
    path.write_text(PROGRAM)
    p = subprocess.Popen([sys.executable, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    answers = [json.loads(p.stdout.readline())]
    for n, (choice, seed, fidelity) in enumerate(requests):
        p.stdin.write(json.dumps({"id": str(n), "arch": choice, "layers": [{"choice": choice, "width": 0}], "seed": seed, "fidelity": fidelity}) + "\n")
        p.stdin.flush()
        answers.append(json.loads(p.stdout.readline()))
    out, err = p.communicate(timeout=60)
    assert out == "" and p.returncode == 0
    return answers, err


def test_every_end_of_a_training_is_an_answer(tmp_path):
    names = ["plain", "nan", "inf", "raise", "oom", "memory", "exit", "none", "parts", "read", "plain"]
    answers, err = ask(tmp_path, *[(n, 7, 0.5) for n in names])
    assert answers[0] == {"format": "isocost/exec/v2", "concurrency": 1}
    got = dict(zip(names, answers[1:]))
    assert got["plain"] == {"id": "10", "utility": 7.5}
    assert got["nan"]["utility"] is None and got["inf"]["utility"] is None
    assert got["raise"] == {"id": "3", "error": "ValueError: bad width", "final": True}
    assert "out of memory" in got["oom"]["error"] and "final" not in got["oom"]
    assert got["memory"] == {"id": "5", "error": "MemoryError"}
    assert got["exit"]["error"] == "SystemExit: gone" and got["exit"]["final"]
    assert "not a number" in got["none"]["error"]
    assert got["parts"] == {"id": "8", "utility": 0.5, "parts": {"loss": 0.25}}
    assert got["read"]["utility"] == 0  # no request can be read away
    assert err.count("printed by") == err.count("written to fd 1") == err.count("said by a child") == len(names)
    assert "Traceback" in err and "bad width" in err


def test_the_seed_is_every_generators(tmp_path):
    answers, _ = ask(tmp_path, ("random", 1, 1), ("random", 2, 1), ("random", 1, 1))
    a, b, c = (x["utility"] for x in answers[1:])
    assert a == c != b


def test_a_function_of_other_arguments_is_refused():
    with pytest.raises(TypeError, match="must take"):
        isocost.evaluator(lambda arch: 1.0)
    with pytest.raises(TypeError):
        isocost.evaluator(3)


def test_serve_refuses_what_does_not_fit():
    def train(arch, seed, fidelity):
        return 1.0

    with pytest.raises(ValueError, match="workers"):
        isocost.serve(train, concurrency=4)
    with pytest.raises(ValueError, match="ray"):
        isocost.serve(train, gpus=1)
    with pytest.raises(ValueError, match="'slurm'"):
        isocost.serve(train, on="slurm")


def test_an_evaluator_is_still_a_function():
    @isocost.evaluator
    def train(arch: Arch, seed: int, fidelity: float) -> float:
        """Trains."""
        return float(seed)

    assert train(Arch.parse("a"), 3) == 3.0 and train.__name__ == "train" and train.__doc__ == "Trains."
    assert train.outcome(Arch.parse("a"), 3).utility == 3.0


def check(tmp_path, vectors, body, *flags):
    path = tmp_path / "evaluator.py"
    path.write_text("import isocost, random, time\n\n@isocost.evaluator\ndef train(arch, seed, fidelity):\n" + textwrap.indent(body, "    ") + "\n\nisocost.serve(train)\n")
    return subprocess.run(
        [sys.executable, "-m", "isocost", "check", path, "--space", vectors / "table.jsonl", "--json", *flags], capture_output=True, text=True, timeout=120
    )


def test_check_measures_the_spread(tmp_path, vectors):
    p = check(tmp_path, vectors, "return random.gauss(0, 0.1)", "--seeds", "40", "--epsilon", "0.1")
    assert p.returncode == 0, p.stderr
    said = json.loads(p.stdout)
    assert said["protocol"] == "isocost/exec/v2, 1 at a time"
    assert 0.08 < said["s"] < 0.12 and said["s"] < said["upper"] < 0.15 and said["nu"] == 3 * 39
    assert said["repeated"] == 3 and said["differing"] == []
    assert said["cost"]["neighbours"] == 4 and said["cost"]["samples"] > said["cost"]["lower_bound"] > 10


def test_check_finds_the_clock(tmp_path, vectors):
    p = check(tmp_path, vectors, "return time.time()")
    assert p.returncode == 3 and "answered otherwise" in p.stderr and "randomness from the seed" in p.stderr
    assert len(json.loads(p.stdout)["differing"]) == 3


def test_check_finds_a_seed_that_is_ignored(tmp_path, vectors):
    p = check(tmp_path, vectors, "return len(arch.key)")
    assert p.returncode == 3 and "the seed changes nothing" in p.stderr


def test_check_counts_failures(tmp_path, vectors):
    p = check(tmp_path, vectors, "if arch.key != '0|0': raise ValueError('only the anchor')\nreturn random.random()")
    assert p.returncode == 3
    said = json.loads(p.stdout)
    assert len(said["failures"]) == 8 and "only the anchor" in said["failures"][0]["reason"]


def test_check_of_a_program_that_does_not_serve(tmp_path, vectors):
    path = tmp_path / "evaluator.py"
    path.write_text("raise SystemExit('no data set')\n")
    p = subprocess.run([sys.executable, "-m", "isocost", "check", path, "--space", vectors / "table.jsonl"], capture_output=True, text=True, timeout=120)
    assert p.returncode == 1 and "no data set" in p.stderr
    p = subprocess.run([sys.executable, "-m", "isocost", "check", tmp_path / "absent.py"], capture_output=True, text=True, timeout=120)
    assert p.returncode == 1 and "no such file" in p.stderr
