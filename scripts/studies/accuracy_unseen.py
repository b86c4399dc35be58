#!/usr/bin/env python3
"""Writes the page of scripts/studies/accuracy-unseen.sh: reads DIR/PRECISION.{before,after}.rec.jsonl,
.predict.jsonl, .K.predict.jsonl and PRECISION.run/, prints Markdown. Exit code 1 when no network could be judged."""

import argparse
import glob
import json
import math
import os
import re
import statistics
import sys

from accuracy_models import objects


def lines(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def short(name):
    return os.path.basename(name).split(".")[0]


def truth(directory, precision, when):
    """Microseconds by network, the half-width of their intervals, and the drift reference."""
    us, half, reference = {}, {}, None
    for line in lines(os.path.join(directory, f"{precision}.{when}.rec.jsonl")):
        r = line.get("record")
        if not r or "estimate_us" not in r or any(v not in ("ok", "noisy", "drift", "preempted") for v in r["validity"]):
            continue
        if r["kind"] == "e2e":
            us[short(r["name"])] = r["estimate_us"]
            half[short(r["name"])] = (r["ci95_us"][1] - r["ci95_us"][0]) / 2 / r["estimate_us"]
        elif r.get("name") == "anchor":
            reference = r["estimate_us"]
    return us, half, reference


def reference_of(path):
    """The drift reference of a campaign, None when there is none."""
    if not os.path.exists(path):
        return None
    for line in lines(path):
        r = line.get("record")
        if r and r["kind"] == "anchor" and "estimate_us" in r:
            return r["estimate_us"]
    return None


def rms(xs):
    return math.sqrt(sum(x * x for x in xs) / len(xs)) if xs else math.nan


class Judged:
    """Networks priced by one table against what they measured."""

    def __init__(self, path, measured, floor):
        self.rows, self.kernels, self.unpriced, self.floor = [], 0, 0, floor
        self.status = {}
        for p in objects(path):
            name = short(p["model"])
            us = measured.get(name)
            if us is None:
                continue
            self.kernels += len(p["kernels"]) + len(p["missing"])
            self.unpriced += len(p["missing"])
            for k in p["kernels"]:
                s = k.get("status", "")
                self.status[s] = self.status.get(s, 0) + 1
            self.rows.append((name, p.get("total_us"), p.get("lo_us"), p.get("hi_us"), us))
        self.errors = [t / us - 1 for _, t, _, _, us in self.rows if t is not None]

    def summary(self):
        e, n = self.errors, len(self.rows)
        if not e:
            return f"0 of {n} | | | | | |"
        r = rms(e)
        off = math.sqrt(max(0, r * r - self.floor * self.floor))
        inside = sum(lo <= us <= hi for _, t, lo, hi, us in self.rows if t is not None)
        return (f"{len(e)} of {n} | {1 - self.unpriced / max(self.kernels, 1):.2%} | {r:.2%} ({off:.2%}) | {statistics.median(map(abs, e)):.1%} | "
                f"{max(map(abs, e)):.1%} | {sum(abs(x) <= .05 for x in e) / len(e):.0%} | {sum(abs(x) <= .10 for x in e) / len(e):.0%} | {inside / len(e):.0%}")


HEAD = ["networks with a total | kernels priced | RMSPE (floor off) | median | worst | within 5 % | within 10 % | held", "---|---|---|---|---|---|---|---"]


def report(directory, precision, fresh):
    at = lambda ext: os.path.join(directory, precision + ext)
    before, half, ref0 = truth(directory, precision, "before")
    after, _, ref1 = truth(directory, precision, "after") if os.path.exists(at(".after.rec.jsonl")) else ({}, {}, None)
    both = {n: math.sqrt(before[n] * after[n]) if n in after else before[n] for n in before}
    moved = [math.log(after[n] / before[n]) for n in before if n in after]
    common = statistics.median(moved) if moved else 0
    floor = rms([x - common for x in moved]) / 2 if moved else rms([half[n] / 1.96 for n in half])
    # A shared host changes its speed from campaign to campaign: what was measured is brought to
    # the speed of the table, which is that of the build's first campaign, by the drift reference.
    base = reference_of(os.path.join(directory, precision + ".run", "01.rec.jsonl"))
    refs = [r for r in (ref0, ref1) if r]
    level = base / statistics.geometric_mean(refs) if base and refs else 1.0
    raw = Judged(at(".predict.jsonl"), both, floor)
    both = {n: us * level for n, us in both.items()}
    j = Judged(at(".predict.jsonl"), both, floor)
    out = [f"**{precision}.** {campaigns(directory, precision)}", "",
           "| network | predicted, µs [95 %] | measured before, after, µs | at the table's speed | error | held |", "|---|---|---|---|---|---|"]
    for name, t, lo, hi, us in j.rows:
        m = f"{before[name]:,.0f}, {after[name]:,.0f}" if name in after else f"{before[name]:,.0f}"
        if t is None:
            out.append(f"| {name} | kernels missing | {m} | {us:,.0f} | | |")
        else:
            out.append(f"| {name} | {t:,.0f} [{lo:,.0f}, {hi:,.0f}] | {m} | {us:,.0f} | {t / us - 1:+.1%} | {'yes' if lo <= us <= hi else 'no'} |")
    out += ["", "| | " + HEAD[0] + " |", "|---|" + HEAD[1] + "|", "| all | " + j.summary() + " |"]
    for title, names in (("looked at while the model was made", set(both) - fresh), ("of families that nobody looked at", set(both) & fresh)):
        if 0 < len(names) < len(both):
            out.append(f"| {title} | {Judged(at('.predict.jsonl'), {n: both[n] for n in names}, floor).summary()} |")
    out.append("")
    if moved:
        out.append(f"Noise floor: the networks measured before and after the build differ by {rms(moved):.1%} in the root mean square, {common:+.1%} in the median, "
                   f"{max(map(abs, moved)):.1%} at most; the drift reference by {ref1 / ref0 - 1:+.1%}. What judges is their mean, known to half of what they differ by beside that median, {floor:.1%}.")
    if base and refs:
        out.append(f"The drift reference took {base:.0f} µs in the build's first campaign, and {', '.join(f'{r:.0f}' for r in refs)} µs beside the networks: their times are taken "
                   f"× {level:.3f}. As they were, the RMSPE is {rms(raw.errors):.1%}.")
    out.append("Kernels of the networks by what their price rests on: " + ", ".join(f"{n} {s or 'by knots'}" for s, n in sorted(j.status.items())) + ".")
    out += ["", "| device time | " + HEAD[0] + " |", "|---|" + HEAD[1] + "|"]
    prior = " with the prior" if os.path.exists(at(".alone.1.predict.jsonl")) else ""
    for run, suffix, title in ((".run", "", prior), (".run", ".alone", " without"), (".grids.run", ".grids", ", standard grids"), (".random.run", ".random", ", random shapes")):
        spent, files = 0, sorted(glob.glob(os.path.join(directory, precision + run, "*.rec.jsonl")))
        own = reference_of(files[0]) if files else None
        at_speed = {n: us * (own / base if own and base else 1) for n, us in both.items()}
        for k, rec in enumerate(files, 1):
            ends = [x["end"] for x in lines(rec) if "end" in x]
            spent += ends[0]["device_s"] if ends else 0
            path = at(f"{suffix}.{k}.predict.jsonl")
            if ends and os.path.exists(path):
                out.append(f"| {spent / 60:.1f} min{title} | {Judged(path, at_speed, floor).summary()} |")
    return [re.sub(r"(\d)%", r"\1 %", x) for x in out], len(j.errors)


def campaigns(directory, precision):
    """One sentence on the build, from its records."""
    cells = nets = noisy = 0
    seconds = 0.0
    for rec in sorted(glob.glob(os.path.join(directory, precision + ".run", "*.rec.jsonl"))):
        for x in lines(rec):
            r = x.get("record")
            if r and r["kind"] == "cell":
                cells += 1
                noisy += "noisy" in r["validity"]
            elif r and r["kind"] == "e2e":
                nets += 1
            elif "end" in x:
                seconds += x["end"]["device_s"]
    return f"{seconds / 60:.1f} minutes of device time: {cells} kernels ({noisy} noisy), {nets} chains."


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--minutes", required=True, help="device time of each table, for the text")
    p.add_argument("--fresh", default="", help="the networks of families that nobody looked at")
    p.add_argument("dir")
    p.add_argument("precisions", nargs="+")
    a = p.parse_args()
    print("# Networks of which nothing was measured\n")
    print(f"`costgen build --minutes {a.minutes}` made a table of this machine per precision. It prices networks of torchvision and timm of which no kernel was\n"
          "planned and no relative calibrated: their families were left out of the census (`--unseen`). They were measured before the build and after it,\n"
          "interleaved. *Floor off*: the noise of the measured networks taken off in quadrature. *Held*: share of networks inside the 95 % interval.\n")
    print("Published, for devices and networks of their own: nn-Meter on an ARM CPU, 57,000 samples: RMSPE 3.4–5.5 %, within 5 %: 51–85 %, within 10 %: 98–100 %\n"
          "(Zhang et al., MobiSys 2021); LitePred on an ONNX Runtime CPU, 1,400 points and 0.48 h: within 5 %: 90.5 %, within 10 %: 98.9 % (Feng et al., NSDI 2024).\n"
          "Neither states an interval.")
    judged = 0
    names = a.precisions + [f"{a.precisions[0]}.threads2"]
    for precision in names:
        if not os.path.exists(os.path.join(a.dir, precision + ".predict.jsonl")):
            continue
        text, n = report(a.dir, precision, set(a.fresh.split()))
        judged += n
        if precision.endswith(".threads2"):
            print("\nA second device: this machine on two threads, whose table started from that on one (`--prior`). Without: the same records, compiled without it.")
        print("\n" + "\n".join(text))
    return 0 if judged else 1


if __name__ == "__main__":
    sys.exit(main())
