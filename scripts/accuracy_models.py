#!/usr/bin/env python3
"""Writes the section of scripts/accuracy-models.sh: reads DIR/PRECISION.rec.jsonl,
.compile.json and .predict.json, prints Markdown. Exit code 1 when no
network could be judged."""

import argparse
import datetime
import json
import math
import os
import re
import statistics
import sys


def records(path):
    with open(path) as f:
        for line in f:
            r = json.loads(line).get("record")
            if r:
                yield r


def objects(path):
    """The JSON objects of a file, one after another."""
    with open(path) as f:
        text = f.read().strip()
    while text:
        o, end = json.JSONDecoder().raw_decode(text)
        yield o
        text = text[end:].lstrip()


def fault(r):
    """What keeps a network's record from being a truth, or ""."""
    bad = [v for v in r["validity"] if v not in ("ok", "noisy")]
    if bad or "estimate_us" not in r:
        return ", ".join(bad) or r.get("detail") or "no estimate"
    return ""


def report(directory, precision):
    at = lambda ext: os.path.join(directory, precision + ext)
    truth = {r["name"]: r for r in records(at(".rec.jsonl")) if r["kind"] == "e2e"}
    with open(at(".compile.json")) as f:
        audit = json.load(f).get("audit") or {}
    sums = {n["name"]: n["sum"] for n in audit.get("networks") or []}
    lines, errors, plain, held, halves = [], [], [], 0, []
    predictions = list(objects(at(".predict.json")))
    for p in predictions:
        name = p["model"].removesuffix(".onnx")
        short = name.split(".")[0]
        r = truth.get(name)
        why = "not in the records" if r is None else fault(r)
        if why:
            lines.append(f"| {short} | not measured: {why} | | | |")
            continue
        us = r["estimate_us"]
        half = (r["ci95_us"][1] - r["ci95_us"][0]) / 2 / us if "ci95_us" in r else math.nan
        if p["total_us"] is None:
            lines.append(f"| {short} | {us:,.0f} ±{half:.1%} | {len(p['missing'])} kernels missing | | |")
            continue
        e = p["total_us"] / us - 1
        errors.append(e)
        halves.append(half)
        if name in sums:
            plain.append(sums[name] / us - 1)
        inside = p["lo_us"] <= us <= p["hi_us"]
        held += inside
        lines.append(f"| {short} | {us:,.0f} ±{half:.1%} | {p['total_us']:,.0f} [{p['lo_us']:,.0f}, {p['hi_us']:,.0f}] "
                     f"| {e:+.1%} | {'yes' if inside else 'no'} |".replace("%", " %"))
    out = [f"**{precision}.** " + campaign(directory, precision), "",
           "| network | measured, µs | predicted, µs [95 %] | error | held |", "|---|---|---|---|---|", *lines, ""]
    if not errors:
        return out + ["No network could be judged."], 0
    rms = lambda es: math.sqrt(sum(e * e for e in es) / len(es))
    text = (f"{len(errors)} of {len(predictions)} networks judged: RMSPE {rms(errors):.2%}, worst {max(map(abs, errors)):.1%}, "
            f"bias {statistics.mean(errors):+.2%}, within 5 %: {share(errors, .05)}, within 10 %: {share(errors, .10)}; "
            f"the interval held {held} of {len(errors)}.")
    if len(plain) == len(errors):
        text += f" The plain sums, before calibration: RMSPE {rms(plain):.2%}, worst {max(map(abs, plain)):.1%}."
    halves = [h for h in halves if not math.isnan(h)]
    if halves:
        text += f" Noise floor: the truth itself is known to ±{statistics.median(halves):.1%} (median of the 95 % intervals, worst {max(halves):.1%})"
        floor = audit.get("noise_floor") or {}
        text += f", {floor['between_rms']:.1%} between rounds." if "between_rms" in floor else "."
    return out + [re.sub(r"(\d)%", r"\1 %", text)], len(errors)


def campaign(directory, precision):
    """One sentence on the campaign; the numbers come from its records."""
    path = os.path.join(directory, precision + ".rec.jsonl")
    recs, models = list(records(path)), set()
    with open(path) as f:
        for line in f:
            group = json.loads(line).get("group")
            if isinstance(group, dict):
                models.update(group["models"])
    cells = [r for r in recs if r["kind"] == "cell"]
    nets = [r["set"] for r in recs if r["kind"] == "e2e"]
    rounds = [r.get("rounds", 0) for r in recs]
    noisy = sum("noisy" in r["validity"] for r in cells)
    return (f"{len(cells)} cells, {nets.count('audit')} networks to judge and {nets.count('calibrate')} to calibrate, "
            f"{len(models)} models opened; {min(rounds)} to {max(rounds)} rounds of each case; {noisy} cells noisy.")


def share(errors, bound):
    n = sum(abs(e) <= bound for e in errors)
    return f"{n} of {len(errors)}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--time", required=True, help="device time of each campaign, for the text")
    p.add_argument("dir")
    p.add_argument("precisions", nargs="+")
    a = p.parse_args()
    print("## Networks nobody here designed (`make accuracy-models`)\n")
    print("torchvision's and timm's networks with random weights, as torch's exporter and onnxruntime's QDQ quantiser left them, priced\n"
          f"by `costgen predict` from their kernels. One campaign of {a.time} device time a precision, one thread, `min`, holds the kernels, these\n"
          f"networks and others, which calibrate; {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}.")
    judged = 0
    for precision in a.precisions:
        lines, n = report(a.dir, precision)
        judged += n
        print("\n" + "\n".join(lines))
    return 0 if judged else 1


if __name__ == "__main__":
    sys.exit(main())
