#!/usr/bin/env python3
"""Writes the page of scripts/studies/accuracy-models.sh: reads DIR/PRECISION.rec.jsonl,
.predict.jsonl and .lut.json, prints Markdown. Exit code 1 when no
network could be judged."""

import argparse
import json
import math
import os
import re
import statistics
import sys


# The page's title and where the networks come from, by runtime.
SOURCES = {
    "ort": ("Networks nobody here designed",
            "torchvision's and timm's networks with random weights, as torch's exporter and onnxruntime's QDQ quantiser left them"),
    "litert": (".tflite networks nobody here designed, on LiteRT",
               "Networks of keras.applications with random weights, as TensorFlow's converter left them, full integer in int8"),
}


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


def fault(r, accepted):
    """What keeps a network's record from being a truth, or ""."""
    bad = [v for v in r["validity"] if v not in accepted]
    if bad or "estimate_us" not in r:
        return ", ".join(bad) or r.get("detail") or "no estimate"
    return ""


def report(directory, precision, first, accepted):
    """The lines of a precision's part, and how many of its networks were judged."""
    at = lambda ext: os.path.join(directory, precision + ext)
    truth = {r["name"]: r for r in records(at(".rec.jsonl")) if r["kind"] == "e2e"}
    head = ["| network | measured, µs | predicted, µs [95 %] | error | plain sum | held |", "|---|---|---|---|---|---|"]
    out = [f"**{precision}.** " + campaign(directory, precision), ""]
    judged = [[], []]
    for i, p in enumerate(objects(at(".predict.jsonl"))):
        part = 0 if i < first else 1
        if i in (0, first):
            out += (["", "Further networks:", ""] if i else []) + head
        name = p["model"].removesuffix(".onnx").removesuffix(".tflite")
        short = name.split(".")[0]
        r = truth.get(name)
        why = "not in the records" if r is None else fault(r, accepted)
        if why:
            out.append(f"| {short} | not measured: {why} | | | | |")
            judged[part].append(None)
            continue
        us = r["estimate_us"]
        half = (r["ci95_us"][1] - r["ci95_us"][0]) / 2 / us if "ci95_us" in r else math.nan
        if p["total_us"] is None:
            out.append(f"| {short} | {us:,.0f} ±{half:.1%} | {len(p['missing'])} kernels missing | | | |".replace("%", " %"))
            judged[part].append(None)
            continue
        e, plain = p["total_us"] / us - 1, p["known_us"] / us - 1
        inside = p["lo_us"] <= us <= p["hi_us"]
        judged[part].append((e, plain, inside, half))
        out.append(f"| {short} | {us:,.0f} ±{half:.1%} | {p['total_us']:,.0f} [{p['lo_us']:,.0f}, {p['hi_us']:,.0f}] "
                   f"| {e:+.1%} | {plain:+.1%} | {'yes' if inside else 'no'} |".replace("%", " %"))
    out.append("")
    parts = {f"the first {len(judged[0])}": judged[0], "the further ones": judged[1], "all": judged[0] + judged[1]}
    if not judged[1]:
        parts = {"all": judged[0]}
    out += ["| networks | judged | RMSPE | worst | bias | within 5 % | within 10 % | held | plain sum: RMSPE, worst |", "|---|---|---|---|---|---|---|---|---|"]
    for which, part in parts.items():
        good = [x for x in part if x]
        if not good:
            continue
        rms = lambda es: math.sqrt(sum(e * e for e in es) / len(es))
        errors, plain = [g[0] for g in good], [g[1] for g in good]
        text = (f"| {which} | {len(good)} of {len(part)} | {rms(errors):.2%} | {max(map(abs, errors)):.1%} | {statistics.mean(errors):+.2%} "
                f"| {share(errors, .05)} | {share(errors, .10)} | {sum(g[2] for g in good)} of {len(good)} | {rms(plain):.2%}, {max(map(abs, plain)):.1%} |")
        out.append(re.sub(r"(\d)%", r"\1 %", text))
    halves = [g[3] for part in judged for g in part if g and not math.isnan(g[3])]
    if halves:
        out.append("")
        out.append(re.sub(r"(\d)%", r"\1 %", f"Noise floor: the truth within ±{statistics.median(halves):.1%} (median 95 % interval, worst {max(halves):.1%})."))
    with open(at(".lut.json")) as f:
        c = json.load(f).get("calibration") or {}
    if c:
        out += ["", f"Calibration on all {c['n']}: {c['model']}; "
                + ", ".join(f"{m['model']} {m['rmspe']:.2%}" for m in c["candidates"]).replace("%", " %") + " (cross-validated RMSPE)."]
    return out, sum(x is not None for x in judged[0] + judged[1])


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
    nets = [r for r in recs if r["kind"] == "e2e"]
    rounds = [r.get("rounds", 0) for r in recs]
    noisy = sum("noisy" in r["validity"] for r in cells)
    return (f"{len(cells)} cells, {len(nets)} networks, "
            f"{len(models)} models, {min(rounds)} to {max(rounds)} rounds, {noisy} cells noisy.")


def share(errors, bound):
    n = sum(abs(e) <= bound for e in errors)
    return str(n)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--runtime", choices=SOURCES, default="ort", help="whose models they are")
    p.add_argument("--time", required=True, help="device time of each campaign, for the text")
    p.add_argument("--first", type=int, required=True, help="how many of the networks are those the page names first; the others follow")
    p.add_argument("--accept", default="", help="validity codes with which records count too, after commas")
    p.add_argument("dir")
    p.add_argument("precisions", nargs="+")
    a = p.parse_args()
    title, source = SOURCES[a.runtime]
    print(f"# {title}\n")
    print(f"{source}.\n"
          f"One campaign of {a.time} per precision, one thread. Each network is priced by a table fitted on the others (`costgen compile --traffic --judge NAME`); the\n"
          "plain sum is uncalibrated. The forms of the calibration (decisions 0404, 0405) were settled on this host with ONNX networks like these.")
    if a.accept:
        print(f"\nThe host's speed moved: records were brought to one level of the drift reference and {a.accept.replace(',', ' and ')} ones used (`--level --accept {a.accept}`).")
    judged = 0
    for precision in a.precisions:
        lines, n = report(a.dir, precision, a.first, {"ok", "noisy", *a.accept.split(",")})
        judged += n
        print("\n" + "\n".join(lines))
    return 0 if judged else 1


if __name__ == "__main__":
    sys.exit(main())
