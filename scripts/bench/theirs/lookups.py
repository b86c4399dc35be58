"""Lookups in a dictionary and in a pandas series, of the cells and networks that ours wrote."""

import json

import pandas
from clock import each

held = {}


def prepare(path):
    with open(path) as f:
        data = json.load(f)
    costs = data["costs"]
    held.update(costs=costs, keys=list(costs), chains=data["chains"], totals=data["totals"], series=pandas.Series(costs))
    # A network as its layers' settings, from which once-for-all's estimator puts keys together.
    held["settings"] = [[parts(key) for key in chain] for chain in data["chains"]]
    return {"cells": len(costs)}


def parts(key):
    """kind[attr=value,…]/precision@axis=value,… as its parts."""
    head, at = key.split("@")
    kind, precision = head.rsplit("/", 1)
    attributes = []
    if "[" in kind:
        kind, rest = kind[:-1].split("[")
        attributes = [tuple(a.split("=")) for a in rest.split(",")]
    return kind, attributes, precision, [(a, int(v)) for a, v in (c.split("=") for c in at.split(","))]


def query(kind, attributes, precision, at):
    """A layer's cost: its key put together, and looked up."""
    inside = "[" + ",".join(f"{n}={v}" for n, v in attributes) + "]" if attributes else ""
    return held["costs"][f"{kind}{inside}/{precision}@" + ",".join(f"{a}={v}" for a, v in at)]


def network(settings):
    total = 0.0
    for layer in settings:
        total += query(*layer)
    return total


def lookup():
    costs, keys = held["costs"], held["keys"]
    return {"s": each(lambda i: costs[keys[i % len(keys)]])}


def architecture():
    settings, totals = held["settings"], held["totals"]
    differs = max(abs(network(s) / t - 1) for s, t in zip(settings, totals))
    return {"s": each(lambda i: network(settings[i % len(settings)])), "differs": differs}


def pandas_lookup():
    series, keys = held["series"], held["keys"]
    return {"s": each(lambda i: series[keys[i % len(keys)]])}


def pandas_architecture():
    series, chains = held["series"], held["chains"]
    return {"s": each(lambda i: series.loc[chains[i % len(chains)]].sum())}


ASKED = {"lookups-prepare": prepare, "lookup": lookup, "architecture": architecture, "pandas-lookup": pandas_lookup,
         "pandas-architecture": pandas_architecture}
