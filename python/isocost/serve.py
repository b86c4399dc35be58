"""Answers a search."""

from __future__ import annotations

import sys
from typing import Any

from .arch import Arch
from .channel import Channel
from .evaluator import Evaluator, Train

__all__ = ["serve"]


def serve(
    train: "Evaluator | Train",
    *,
    on: str = "local",
    concurrency: int | None = None,
    gpus: float = 0,
    cpus: float = 1,
    retries: int = 3,
    name: str = "",
    **options: Any,
) -> None:
    """Answers ``isosearch --evaluator "exec:python3 evaluator.py"`` until it closes standard input.

    on="local": one training at a time in this process; ``--workers N`` of isosearch has N of them.
    on="ray": up to concurrency trainings at a time on a Ray cluster, of which this process is a
    driver; each has cpus and gpus of its own. A worker or node that dies costs its own trainings a
    retry, retries at most. What runs goes on when the search is killed, and is taken up when it is
    started again: the trainings belong to a detached actor called name (default: by the
    evaluator's text and arguments). options go to ``ray.init``.

    Standard output is safe to print to. Returns at the end of input. Raises ValueError for options
    that do not fit.
    """
    own = train if isinstance(train, Evaluator) else Evaluator(train)
    if on == "local":
        if concurrency not in (None, 1):
            raise ValueError("on='local' is one training at a time: isosearch --workers starts more processes")
        if gpus or options:
            raise ValueError("gpus and options of ray.init are for on='ray'; here the process sees what it sees")
        _local(own)
    elif on == "ray":
        from .cluster import Cluster

        Cluster(own, concurrency=concurrency if concurrency is not None else 64, gpus=gpus, cpus=cpus, retries=retries, name=name, init=options).serve()
    else:
        raise ValueError(f"on={on!r}: there are 'local' and 'ray'")


def _local(train: Evaluator) -> None:
    if sys.stdin.isatty():
        print("isocost: this is an evaluator: isosearch run --evaluator starts it, and isocost check tries it", file=sys.stderr)
    channel = Channel.take()
    try:
        channel.hello(1)
        for request in channel:
            if "cancel" in request:
                continue
            outcome = train.outcome(Arch.of(request["layers"]), request["seed"], request["fidelity"])
            channel.write({"id": request["id"], **outcome.answer()})
    except BrokenPipeError:
        pass  # the search has gone
