"""Trainings of a study, kept in a journal: a study that was killed repeats none that it has.

Statistics of how one length of training, or one data set, orders networks of equal cost beside another.
"""

import contextlib
import itertools
import json
import math
import multiprocessing
import os
import pathlib
import random
import subprocess
import sys
import time

import numpy as np
from scipy import stats

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts" / "evaluators"), str(ROOT / "python")]

import torch  # noqa: E402
import torch_mbconv  # noqa: E402

from isocost import Arch  # noqa: E402


def one(job):
    """The accuracy of a network after a training, and the processor's seconds it took."""
    key, data, epochs, seed, options = job
    if data not in one.loaded:
        torch.set_num_threads(1)
        one.loaded[data] = torch_mbconv.load(data)
    args = torch_mbconv.options([*options, "--data", data, "--epochs", str(epochs), "--device", "cpu"])
    layers = [{"choice": x.choice, "width": x.width, "precision": x.precision} for x in Arch.parse(key).layers]
    began = time.process_time()
    accuracy, _ = torch_mbconv.train({"layers": layers, "seed": seed, "fidelity": 1}, one.loaded[data], args)
    return key, data, epochs, seed, accuracy, round(time.process_time() - began, 3)


one.loaded = {}


class Journal:
    """Accuracies by network, data set, epochs and seed, and the processor's seconds of each training."""

    def __init__(self, path):
        self.path, self.known, self.seconds = pathlib.Path(path), {}, {}
        if self.path.exists():
            text = self.path.read_text()
            for line in text[: text.rfind("\n") + 1].splitlines():  # a kill may have torn the last line
                self.add(json.loads(line))
            os.truncate(self.path, text.rfind("\n") + 1)

    def add(self, answer):
        *job, accuracy, seconds = answer
        self.known[tuple(job)], self.seconds[tuple(job)] = accuracy, seconds

    def train(self, jobs, options):
        """Trains what is not in the journal yet; jobs are (key, data, epochs, seed). WORKERS at a time, 2 if it is not set."""
        todo = [job for job in dict.fromkeys(jobs) if job not in self.known]
        if not todo:
            return
        jobs, workers = [(*job, options) for job in todo], int(os.environ.get("WORKERS", 2))
        pool = multiprocessing.Pool(workers) if workers > 1 else contextlib.nullcontext()
        with pool, open(self.path, "a", encoding="utf-8") as out:
            for n, answer in enumerate(pool.imap_unordered(one, jobs) if workers > 1 else map(one, jobs), 1):
                self.add(answer)
                out.write(json.dumps(answer) + "\n")
                out.flush()
                if n % 20 == 0 or n == len(todo):
                    print(f"{n} of {len(todo)} trainings", file=sys.stderr, flush=True)

    def finished(self, keys, data, epochs, seeds):
        """Those of the seeds from which all networks are trained: of a study that was stopped, what there is."""
        return [seed for seed in seeds if all((key, data, epochs, seed) in self.known for key in keys)]

    def cost(self, searched=0, epochs=1):
        """In words: the trainings, and what they and the searches' own – so many, of so many epochs – took."""
        trained = sum(job[2] for job in self.known)
        hours = sum(self.seconds.values()) / 3600
        text = f"{len(self.known)} trainings of {trained} epochs in all took {hours:.2f} hours of one core"
        if searched:
            text += f"; the searches' own {searched} of {epochs} epochs, at as much per epoch, about {hours * searched * epochs / trained:.2f}"
        return text + "."

    def accuracies(self, keys, data, epochs, seeds):
        """Networks × seeds."""
        return np.array([[self.known[key, data, epochs, seed] for seed in seeds] for key in keys])


def in_band(space, lut, layers, widths, precisions, count, seed):
    """The space's default and further networks inside ±5 % of its cost, drawn evenly; layers are the choices of each."""
    rng, found = random.Random(seed), []
    while len(found) < count:
        keys = []
        for _ in range(500):
            parts = [(rng.choice(choices), rng.randrange(widths), rng.choice(precisions)) for choices in layers]
            keys.append("|".join(f"{c}{f':{w}' if w and c != 'skip' else ''}:{p}" for c, w, p in parts))
        out = subprocess.run([ROOT / "bin" / "isosearch", "price", "--space", space, "--lut", lut, "--json", *dict.fromkeys(keys)],
                             check=True, stdout=subprocess.PIPE).stdout  # fmt: skip
        archs = json.loads(out)["architectures"]
        found = list(dict.fromkeys(found + [a["arch"] for a in archs if a["costs"][0]["inside"]]))
    default = next(a["arch"] for a in archs if a["name"] == "x0")
    return [default, *[key for key in found if key != default]][:count]


def known_within(study):
    """In words: how far the study's measured costs are known. Nothing where none was measured."""
    path = study / "measured.json"
    if not path.exists():
        return ""
    costs = [m for campaign in json.loads(path.read_text())["campaigns"] for m in campaign["archs"].values() if m["value"]]
    return f" A measured cost is known within ±{100 * np.median([(m['hi'] - m['lo']) / 2 / m['value'] for m in costs]):.0f} % (the median 95 % interval)."


def rank(a, b):
    """Spearman's rank correlation; not a number where one of them is all the same."""
    a, b = stats.rankdata(a), stats.rankdata(b)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def pairs(proxy, judge, error):
    """Of all pairs, and of those that the judge tells apart by two standard errors: how many there are, and how many the proxy orders otherwise."""
    counts = [0, 0, 0, 0]
    for i, j in itertools.combinations(range(len(judge)), 2):
        wrong = (proxy[i] - proxy[j]) * (judge[i] - judge[j]) <= 0
        counts[0] += 1
        counts[1] += wrong
        if abs(judge[i] - judge[j]) > 2 * math.hypot(error[i], error[j]):
            counts[2] += 1
            counts[3] += wrong
    return counts


def resampled(value, n, together=1, draws=4000, seed=1):
    """The middle 95 % of a statistic over networks drawn with replacement, wider where so many are to hold together
    (Bonferroni); value takes indices."""
    rng = np.random.default_rng(seed)
    values = [value(rng.integers(n, size=n)) for _ in range(draws)]
    return tuple(np.nanquantile(values, [0.025 / together, 1 - 0.025 / together]))


def standard_error(values):
    """Of each network's mean, less what a seed does to all networks; pooled, as few seeds say little of one network's spread."""
    rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    pooled = math.sqrt((rest**2).sum() / ((values.shape[0] - 1) * (values.shape[1] - 1)))
    return np.full(len(values), pooled / math.sqrt(values.shape[1]))


def interval(values, together=1):
    """A mean with its 95 % interval by Student's t, wider where so many are to hold together (Bonferroni)."""
    values = np.asarray(values)
    half = stats.t.ppf(1 - 0.025 / together, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return values.mean(), values.mean() - half, values.mean() + half


def percent(values):
    """A mean and its interval, in points."""
    mean, lo, hi = (100 * v for v in values)
    return f"{mean:+.2f} [{lo:+.2f}, {hi:+.2f}]"
