"""Trainings on a Ray cluster."""

from __future__ import annotations

import hashlib
import inspect
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

from .arch import Arch
from .channel import Channel
from .desk import Desk
from .errors import IsocostError
from .evaluator import Evaluator

__all__ = ["Cluster"]

NAMESPACE = "isocost"

#: How long a desk waits for a driver to come back when nothing runs, in seconds.
LINGER = 3600.0


class Cluster:
    """A search's requests spread over a Ray cluster by a :class:`Desk`."""

    def __init__(self, train: Evaluator, *, concurrency: int, gpus: float, cpus: float, retries: int, name: str, init: dict[str, Any]) -> None:
        if concurrency < 1 or gpus < 0 or cpus < 0 or retries < 0:
            raise ValueError("concurrency is at least 1; gpus, cpus and retries are not negative")
        try:
            import ray
        except ImportError:
            raise IsocostError("on='ray' wants Ray", "pip install ray") from None
        self.ray = ray
        self.train = train
        self.concurrency = concurrency
        # Ray itself tries again what a dead worker or node was at; an exception is an answer.
        self.resources = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": retries, "retry_exceptions": False}
        self.name = name or default_name(train, self.resources)
        self.init = init
        self.driver = uuid.uuid4().hex
        self.lock = threading.Condition()
        self.open: dict[str, tuple[str, int, float]] = {}  # requests without an answer
        self.new: list[str] = []
        self.cancelled: list[str] = []
        self.ended = False

    def serve(self) -> None:
        """Answers until the search closes its end."""
        channel = Channel.take()
        ray = self.ray
        ray.init(**{"namespace": NAMESPACE, "logging_level": "warning", **self.init})
        self.desk = self._desk()
        threads = [threading.Thread(target=f, args=(channel,), daemon=True) for f in (self._send, self._take)]
        for t in threads:
            t.start()
        try:
            channel.hello(self.concurrency)
            for request in channel:
                with self.lock:
                    if "cancel" in request:
                        self.open.pop(request["cancel"], None)
                        self.cancelled.append(request["cancel"])
                    else:
                        id = request["id"]
                        self.open[id] = (Arch.of(request["layers"]).key, request["seed"], request["fidelity"])
                        self.new.append(id)
                    self.lock.notify_all()
        except BrokenPipeError:
            pass
        with self.lock:
            self.ended = True
            self.lock.notify_all()
        # What still runs is taken up when the search is started again.
        if ray.get(self.desk.leave.remote(self.driver)):
            ray.kill(self.desk)

    def _desk(self) -> Any:
        """The desk of this evaluator, a new one where there is none."""
        import isocost

        # By value: nodes need no installation of this package.
        self.ray.cloudpickle.register_pickle_by_value(isocost)
        train = self.train

        def outcome(arch: str, seed: int, fidelity: float) -> Any:
            return train.outcome(Arch.parse(arch), seed, fidelity)

        # With the head, which holds the cluster's own state: where it dies all is lost anyway.
        head = "node:__internal_head__"
        where = {"resources": {head: 0.001}} if head in self.ray.cluster_resources() else {}
        actor = self.ray.remote(Desk).options(
            name=self.name, namespace=NAMESPACE, lifetime="detached", get_if_exists=True, num_cpus=0, max_concurrency=64, **where
        )
        return actor.remote(outcome, self.resources, LINGER)

    def _send(self, channel: Channel) -> None:
        """Hands requests to the desk, all that have come at a time."""
        while True:
            with self.lock:
                self.lock.wait_for(lambda: self.new or self.cancelled or self.ended)
                if self.ended:
                    return
                requests = [(id, *self.open[id]) for id in self.new if id in self.open]
                cancelled, self.new, self.cancelled = self.cancelled, [], []
                desk = self.desk
            desk.submit.remote(self.driver, requests, cancelled)

    def _take(self, channel: Channel) -> None:
        """Passes answers on, and finds a new desk where the old one has died."""
        ray = self.ray
        while not self.ended:
            try:
                answers = ray.get(self.desk.take.remote(self.driver, 10.0))
            except ray.exceptions.RayActorError as err:
                if self.ended:
                    return
                print(f"isocost: the desk {self.name} died: {err}; what it ran is run again", file=sys.stderr)
                with self.lock:
                    self.desk = self._desk()
                    self.new = list(self.open)
                    self.lock.notify_all()
                continue
            with self.lock:
                answers = [a for a in answers if self.open.pop(a["id"], None) is not None]
            try:
                channel.write_all(answers)
            except BrokenPipeError:
                return


def default_name(train: Evaluator, resources: dict[str, Any]) -> str:
    """A name that changes with the evaluator's file, its arguments and what it is given."""
    h = hashlib.sha256(repr((sys.argv[1:], sorted(resources.items()))).encode())
    try:
        source = inspect.getsourcefile(train.train)
    except TypeError:
        source = None
    h.update(Path(source).read_bytes() if source else repr(train.train).encode())
    return f"isocost-{h.hexdigest()[:16]}"
