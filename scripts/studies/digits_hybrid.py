#!/usr/bin/env python3
"""Training-free utilities of a hybrid of convolution and attention, beside trainings: make digits-hybrid.

    digits_hybrid.py train DIR     trains anchors, finals and other networks of DIR/study that DIR/trainings.jsonl lacks
    digits_hybrid.py page DIR      prints the page
"""

import collections
import json
import pathlib
import re
import subprocess
import sys

import numpy as np

from trainings import ROOT, Arch, Journal, interval, known_within, pairs, percent, rank, resampled

SPACE = "examples/digits-hybrid/space.yaml"
LAYERS = 6
OPTIONS = ["--stem", "24", "--stages", f"24x1x{LAYERS}", "--ratios", "0.5,0.75,1,1.5", "--fit", "300", "--batch", "32", "--lr", "0.1"]
DATA = ["digits"]
EPOCHS = 6
NETWORKS = 16
SEEDS = (1, 2, 3, 4, 5)


def results(folder):
    return json.loads((folder / "study" / "results.json").read_text())


def trained(found):
    """The method whose finals are trained: the study's first."""
    return [u for u in found["units"] if u["method"] == found["units"][0]["method"]]


def scores(folder):
    """What the study's searches were told of each network: its mean training-free utility over two weights drawn or more."""
    told = collections.defaultdict(list)
    with open(folder / "study" / "evaluations.jsonl", encoding="utf-8") as f:
        for line in f:
            answer = json.loads(line)
            if "utility" in answer:
                told[answer["arch"]].append(answer["utility"])
    return {key: np.mean(values) for key, values in told.items() if len(values) > 1}


def in_one_band(folder):
    """Some of the networks that were scored, all inside ±5 % of the default's cost: every so manieth of them by score."""
    known = scores(folder)
    out = subprocess.run([ROOT / "bin" / "isosearch", "price", "--space", SPACE, "--lut", folder / "device.lut.json", "--json", *known],
                         check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout  # fmt: skip
    inside = [a["arch"] for a in json.loads(out)["architectures"] if a["name"] != "x0" and a["costs"][0]["inside"]]
    inside.sort(key=lambda key: (known[key], key))
    at = np.linspace(0, len(inside) - 1, min(NETWORKS, len(inside))).round().astype(int)
    return [inside[i] for i in at], [known[inside[i]] for i in at]


def everything(folder):
    """The networks that are trained."""
    ends = [key for u in trained(results(folder)) for key in (u["anchor"], u["final"])]
    return list(dict.fromkeys([*in_one_band(folder)[0], *ends]))


def train(folder, journal):
    for seed in SEEDS:  # seed by seed: a part is a smaller study
        journal.train([(key, data, EPOCHS, seed) for data in DATA for key in everything(folder)], OPTIONS)


def kinds(key):
    """How many layers convolve and attend, and how many of them in which form."""
    count = collections.Counter()
    for layer in Arch.parse(key).layers:
        if layer.choice == "skip":
            continue
        encoder = kind(layer) == "attention"
        count[kind(layer)] += 1
        count["fused"] += layer.choice.startswith("fused")
        count["windows"] += encoder and bool(re.search(r"_w\d", layer.choice))
        count["int8"] += layer.precision == "int8"
    return count


FORMS = ("convolution", "fused", "attention", "windows", "int8")


def kind(layer):
    return "skip" if layer.choice == "skip" else "attention" if layer.choice.startswith("enc") else "convolution"


def changes(units):
    """How many layers are of another kind in the final than in the anchor, by both kinds."""
    count = collections.Counter()
    for u in units:
        for old, new in zip(Arch.parse(u["anchor"]).layers, Arch.parse(u["final"]).layers):
            if kind(old) != kind(new):
                count[kind(old), kind(new)] += 1
    return count


def by_anchor(units, values):
    """The mean of each anchor's values: its seeds are not independent."""
    of = collections.defaultdict(list)
    for u, value in zip(units, values):
        of[u["anchor"]].append(value)
    return [np.mean(v) for v in of.values()]


def page(folder, journal):
    found = results(folder)
    units = trained(found)
    anchors = len({u["anchor"] for u in units})
    networks, free = in_one_band(folder)
    seeds = [seed for seed in SEEDS if all(journal.finished(everything(folder), data, EPOCHS, [seed]) for data in DATA)]
    print("# A hybrid of convolution and attention, without training and trained")
    print()
    print(f"[examples/digits-hybrid](../../examples/digits-hybrid/space.yaml): {LAYERS} layers on 8×8 images, each of which may convolve (inverted residuals or their fused form), attend (among all")
    print("pixels or in windows) or be skipped, in widths and precisions: a search changes the operator, too. Costs are measured on this machine, utilities are training-free")
    print(f"(`--evaluator onnx`); what the first method found is trained for {EPOCHS} epochs on {OPTIONS[OPTIONS.index('--fit') + 1]} images of scikit-learn's digits, from {len(seeds)} seed{'s' * (len(seeds) > 1)} each.")
    print(journal.cost())
    print("A table's audit, and the study's tables, are below.")
    print()
    print("### What may be concluded")
    print()
    trainings = {data: journal.accuracies(networks, data, EPOCHS, seeds) for data in DATA}
    for data in DATA:
        judge = trainings[data].mean(axis=1)
        rho = rank(free, judge)
        lo, hi = resampled(lambda i: rank(np.asarray(free)[i], judge[i]), len(judge))
        n, wrong, _, _ = pairs(free, judge, np.zeros(len(judge)))
        verdict = "not told apart from none" if lo <= 0 <= hi else "the order is kept in part" if rho > 0 else "the order is reversed"
        print(f"- {data}: of {len(networks)} networks of one cost the training-free score has a rank correlation of {rho:.2f} [{lo:.2f}, {hi:.2f}] with their accuracy ({verdict}); it orders {wrong} of {n} pairs otherwise.")
        gains = [a[1].mean() - a[0].mean() for a in (journal.accuracies([u["anchor"], u["final"]], data, EPOCHS, seeds) for u in units)]
        mean = interval(by_anchor(units, gains))
        verdict = "a gain" if mean[1] > 0 else "a loss" if mean[2] < 0 else "not told apart from none"
        print(f"- {data}: finals of {units[0]['method']} less their anchors {percent(mean)} points of accuracy over {anchors} anchors ({verdict}).")
        moved = by_anchor(units, [u["utility"]["mean"] - u["anchor_utility"]["mean"] for u in units])
        accuracy = by_anchor(units, gains)
        lo, hi = resampled(lambda i: rank(np.asarray(moved)[i], np.asarray(accuracy)[i]), len(moved))
        print(f"- The score, by which it searched, rises by {np.mean(moved):+.2f}; gains in score and in accuracy have a rank correlation of {rank(moved, accuracy):.2f} [{lo:.2f}, {hi:.2f}] over the anchors.")
        print("- These intervals are each for itself.")
    before, after = sum((kinds(u["anchor"]) for u in units), collections.Counter()), sum((kinds(u["final"]) for u in units), collections.Counter())
    print("- What its finals are made of, anchors → finals: " + ", ".join(f"{form} {before[form]} → {after[form]}" for form in FORMS) + f" layers of {LAYERS * len(units)}.")
    other = changes(units)
    print(f"- Layers of another kind than in the anchor: {sum(other.values())} of {LAYERS * len(units)}" + "".join(f"; {old} → {new} {n}" for (old, new), n in sorted(other.items())) + ".")
    print()
    print("### Finals, trained")
    print()
    print("| anchor | " + " | ".join(FORMS) + " | score | " + " | ".join(DATA) + " | cost by the table | measured |")
    print("|---|" + "---|" * (len(FORMS) + 1 + len(DATA) + 2))
    order = list(dict.fromkeys(u["anchor"] for u in units))
    for u in units:
        old, new = kinds(u["anchor"]), kinds(u["final"])
        cells = [f"{old[form]} → {new[form]}" for form in FORMS]
        cells.append(f"{u['utility']['mean'] - u['anchor_utility']['mean']:+.1f}")
        for data in DATA:
            anchor, final = journal.accuracies([u["anchor"], u["final"]], data, EPOCHS, seeds)
            cells.append(f"{100 * (final.mean() - anchor.mean()):+.2f}")
        device = u.get("measured")
        cells += [f"{100 * u['deviation']:+.1f} %", "–" if not device else f"{100 * device['deviation']:+.1f} %{'' if device['inside'] else ', outside'}"]
        print(f"| {1 + order.index(u['anchor'])} | " + " | ".join(cells) + " |")
    print()
    print(f"Layers of each form, anchor → final; score, and points of accuracy, final less anchor.{known_within(folder / 'study')} –: the final or its")
    print("anchor is in int8 too far from its fp32 form to be measured.")
    print()
    text = (folder / "study" / "results.md").read_text()
    print(text.replace("### What may be concluded", "### The searches, by the score").rstrip())


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("train", "page"):
        sys.exit(__doc__)
    at = pathlib.Path(sys.argv[2])
    {"train": train, "page": page}[sys.argv[1]](at, Journal(at / "trainings.jsonl"))
