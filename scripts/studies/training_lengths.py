#!/usr/bin/env python3
"""Short trainings as the judge of networks of equal cost, beside longer ones: make training-lengths.

    training_lengths.py train DIR     trains what DIR/trainings.jsonl lacks: networks of one cost by DIR/device.lut.json
                                      at every length, anchors and finals of DIR/study on fresh seeds
    training_lengths.py page DIR      prints the page
"""

import json
import pathlib
import sys

import numpy as np

from trainings import Journal, in_band, interval, known_within, pairs, percent, rank, resampled, standard_error

SPACE = "examples/digits/space.yaml"
BLOCKS = ["mb_k3_e3", "mb_k5_e3", "mb_k3_e6"]
LAYERS = [BLOCKS, [*BLOCKS, "skip"], BLOCKS, [*BLOCKS, "skip"]]  # as the space file has them
OPTIONS = ["--fit", "300", "--batch", "32"]  # those of studies/training-lengths.yaml
DATA = ["digits", "photographs"]
LENGTHS = [3, 9, 27]  # epochs
NETWORKS = 12
# Of each length and data set others: what they share is the network alone.
SEEDS = {(d, e): tuple(range(100 * i + 10 * j + 1, 100 * i + 10 * j + 6)) for i, d in enumerate(DATA) for j, e in enumerate(LENGTHS)}
FRESH = (901, 902)
SEARCHED = (DATA[0], LENGTHS[0])
JUDGED = [SEARCHED, *((d, LENGTHS[-1]) for d in DATA)]  # how anchors and finals are trained


def networks(folder):
    """The networks, drawn once."""
    path = folder / "networks.json"
    if not path.exists():
        found = in_band(SPACE, folder / "device.lut.json", LAYERS, 5, ["fp32", "int8"], NETWORKS, 1)
        path.write_text(json.dumps(found, indent=1) + "\n")
    return json.loads(path.read_text())[:NETWORKS]


def results(folder):
    return json.loads((folder / "study" / "results.json").read_text())


def ends(folder):
    return list(dict.fromkeys(key for u in results(folder)["units"] for key in (u["anchor"], u["final"])))


def train(folder, journal):
    keys = networks(folder)
    for i in range(max(map(len, SEEDS.values()))):  # seed by seed: a part is a smaller study
        journal.train([(key, *at, seeds[i]) for at, seeds in SEEDS.items() for key in keys], OPTIONS)
        if i < len(FRESH):
            journal.train([(key, *at, FRESH[i]) for at in JUDGED for key in ends(folder)], OPTIONS)


def order(folder, journal):
    """How each length orders the networks, beside the longest."""
    keys, last = networks(folder), LENGTHS[-1]
    quarter = len(keys) // 4
    rounds = min(len(journal.finished(keys, *at, seeds)) for at, seeds in SEEDS.items())
    seeds = {at: journal.finished(keys, *at, all_of)[:rounds] for at, all_of in SEEDS.items()}
    print(f"{len(keys)} networks inside ±5 % of one cost by the table (the space's default and others drawn evenly), {rounds} trainings each at every length")
    print(f"and on each data set, from other seeds at each. {OPTIONS[1]} images to train on, the others judge; batches of {OPTIONS[3]}.")
    print(journal.cost(sum(1 for _ in open(folder / "study" / "evaluations.jsonl", encoding="utf-8")), SEARCHED[1]))
    print()
    print("| data | epochs | accuracy, mean of all | between networks | between seeds |")
    print("|---|---|---|---|---|")
    every = {}
    for data in DATA:
        for epochs in LENGTHS:
            a = every[data, epochs] = journal.accuracies(keys, data, epochs, seeds[data, epochs])
            noise = standard_error(a)[0] * a.shape[1] ** 0.5
            spread = np.sqrt(max(0.0, a.mean(axis=1).var(ddof=1) - noise**2 / a.shape[1]))
            print(f"| {data} | {epochs} | {100 * a.mean():.2f} % | ±{100 * spread:.2f} | ±{100 * noise:.2f} |")
    print()
    print("Between networks: the standard deviation of their means, less what the seeds put into it; between seeds: that of one training, less what a seed's split does to all.")
    print()
    print("### How they order networks")
    print()
    print(f"| judged by | proxy | rank correlation | of one training | pairs ordered otherwise | of those told apart | of its best {quarter}, among the judge's |")
    print("|---|---|---|---|---|---|---|")
    said, together = [], len(DATA) * len(LENGTHS)
    for data in DATA:
        judge = every[data, last]
        other = next(d for d in DATA if d != data)
        for name, proxy in [*((f"{e} epochs", every[data, e]) for e in LENGTHS[:-1]), (f"{other}, {last} epochs", every[other, last])]:
            p, j = proxy.mean(axis=1), judge.mean(axis=1)
            lo, hi = resampled(lambda i: rank(p[i], j[i]), len(keys), together)
            single = np.mean([rank(proxy[:, s], j) for s in range(proxy.shape[1])])
            n, wrong, apart, misled = pairs(p, j, standard_error(judge))
            kept = len(set(np.argsort(-p)[:quarter]) & set(np.argsort(-j)[:quarter]))
            print(f"| {data}, {last} epochs | {name} | {rank(p, j):.2f} [{lo:.2f}, {hi:.2f}] | {single:.2f} | {wrong} of {n} | {misled} of {apart} | {kept} |")
            said.append((data, name, rank(p, j), lo, hi, wrong / n))
        halves = [rank(np.delete(judge, s, 1).mean(axis=1), judge[:, s]) for s in range(judge.shape[1])]
        print(f"| {data}, {last} epochs, a training | {last} epochs, the others | | {np.mean(halves):.2f} | | | |")
    print()
    print(f"Rank correlations with intervals that hold together with 95 %: the middle {100 - 5 / together:.1f} % of 4,000 draws of the networks each. Told apart: by two standard")
    print("errors of the judge. The last row per data set is what the judge's own trainings agree in.")
    print()
    return said


def gain(folder, journal):
    """Anchor by anchor, finals over anchors on fresh seeds."""
    units = results(folder)["units"]
    methods = list(dict.fromkeys(u["method"] for u in units))
    seeds = [seed for seed in FRESH if all(journal.finished(ends(folder), *at, [seed]) for at in JUDGED)]
    together = len(methods) * len(JUDGED)
    print("### What a search by the shortest is worth")
    print()
    print(f"Searches by {SEARCHED[1]} epochs on {SEARCHED[0]}; finals less anchors in points of accuracy, trained from {len(seeds)} fresh seed{'s' * (len(seeds) > 1)} each; over all anchors by Student's t, with")
    print(f"{together} intervals that hold together with 95 %. Costs are over the anchor's, by the table and as measured in one campaign.")
    print()
    print("| method | anchor | " + " | ".join(f"{d}, {e} epochs" for d, e in JUDGED) + " | cost by the table | measured |")
    print("|---|---|" + "---|" * len(JUDGED) + "---|---|")
    anchors = list(dict.fromkeys(u["anchor"] for u in units))
    means = {}
    for u in units:
        cells = []
        for at in JUDGED:
            final, anchor = journal.accuracies([u["final"], u["anchor"]], *at, seeds)
            means.setdefault((u["method"], *at), []).append((final - anchor).mean())
            cells.append("as the anchor" if u["final"] == u["anchor"] else f"{100 * (final - anchor).mean():+.2f}")
        device = u.get("measured")
        measured = "–" if not device else f"{100 * device['deviation']:+.1f} %{'' if device['inside'] else ', outside'}"
        print(f"| {u['method']} | {1 + anchors.index(u['anchor'])} | " + " | ".join(cells) + f" | {100 * u['deviation']:+.1f} % | {measured} |")
    gains = {at: interval(values, together) for at, values in means.items()}
    for m in methods:
        print(f"| {m} | all | " + " | ".join(percent(gains[m, *at]) for at in JUDGED) + " | | |")
    print()
    return methods, gains, len(anchors)


def conclusions(folder, said, methods, gains, anchors, units):
    print("### What may be concluded")
    print()
    for data, name, rho, lo, hi, wrong in said:
        verdict = "not told apart from none" if lo <= 0 <= hi else "kept in part" if lo > 0 else "reversed"
        print(f"- {data}: {name} order networks of one cost with a rank correlation of {rho:.2f} [{lo:.2f}, {hi:.2f}] ({verdict}); {100 * wrong:.0f} % of the pairs otherwise than {LENGTHS[-1]} epochs do.")
    for m in methods:
        print(f"- {m}, {SEARCHED[1]} epochs of {SEARCHED[0]}, by which it searched: {percent(gains[m, *SEARCHED])} points over {anchors} anchors ({verdict_of(gains[m, *SEARCHED])}).")
        for at in JUDGED[1:]:
            print(f"- {m}, {at[1]} epochs of {at[0]}: {percent(gains[m, *at])} points ({verdict_of(gains[m, *at])}).")
    device = [u["measured"] for u in units if u.get("measured") and u["final"] != u["anchor"]]
    if device:
        print(f"- Of {len(device)} finals {sum(d['inside'] for d in device)} are inside ±5 % of their anchor's cost as measured.{known_within(folder / 'study')}")


def verdict_of(gain):
    _, lo, hi = gain
    return "a gain" if lo > 0 else "a loss" if hi < 0 else "not told apart from none"


def page(folder, journal):
    units = results(folder)["units"]
    print("# Short trainings as the judge of longer ones")
    print()
    print("Real trainings of mobile networks of [examples/digits](../../examples/digits/space.yaml) (widths and precisions, costs measured on this machine) by")
    print("[torch_mbconv.py](../../scripts/evaluators/torch_mbconv.py), on two data sets that scikit-learn ships: its handwritten digits, and 8×8 patches of its two photographs, to be")
    print("told from which half of which photograph.")
    print()
    said = order(folder, journal)
    methods, gains, anchors = gain(folder, journal)
    conclusions(folder, said, methods, gains, anchors, units)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("train", "page"):
        sys.exit(__doc__)
    at = pathlib.Path(sys.argv[2])
    {"train": train, "page": page}[sys.argv[1]](at, Journal(at / "trainings.jsonl"))
