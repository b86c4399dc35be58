"""Optuna's TPE and SMAC3 on the utilities that ours wrote: what they take themselves for an evaluation that is free."""

import json
import random
import tempfile

from clock import once

held = {}


def prepare(path):
    with open(path) as f:
        held.update(json.load(f))
    return {"layers": len(held["worth"])}


def worth(picked):
    """Larger is better; unit noise."""
    return sum(w[i] for w, i in zip(held["worth"], picked)) + random.gauss(0, 1)


def tpe(n):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    random.seed(1)
    layers = [f"l{i}" for i in range(len(held["worth"]))]
    choices = list(range(len(held["choices"])))

    def run():
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=1))
        study.optimize(lambda t: worth([t.suggest_categorical(l, choices) for l in layers]), n_trials=int(n))

    return {"s": once(run)[0]}


def smac3(n):
    import logging

    from ConfigSpace import Categorical, ConfigurationSpace
    from smac import HyperparameterOptimizationFacade, Scenario

    logging.disable(logging.WARNING)
    random.seed(1)
    layers = [f"l{i}" for i in range(len(held["worth"]))]
    configurations = ConfigurationSpace(seed=1)
    configurations.add([Categorical(l, list(range(len(held["choices"])))) for l in layers])

    def run():
        with tempfile.TemporaryDirectory() as folder:
            scenario = Scenario(configurations, n_trials=int(n), seed=1, deterministic=True, output_directory=folder)
            HyperparameterOptimizationFacade(scenario, lambda c, seed=0: -worth([c[l] for l in layers]), logging_level=False).optimize()

    return {"s": once(run)[0]}


ASKED = {"utilities": prepare, "tpe": tpe, "smac3": smac3}
