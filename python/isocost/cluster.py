"""Trainings on a Ray cluster."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import socket
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from .arch import Arch
from .channel import Channel, lines
from .desk import Answer, Desk
from .errors import IsocostError
from .evaluator import Evaluator

__all__ = ["Cluster"]

NAMESPACE = "isocost"

#: How long a desk waits for a killed search to come back when nothing runs, in seconds.
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
        self.resources = {"num_cpus": cpus, "num_gpus": gpus, "max_restarts": -1, "max_task_retries": retries}
        self.name = name or default_name(train, self.resources)
        self.init = init
        self.lock = threading.Lock()
        self.open: dict[str, bytes] = {}  # requests without an answer, by id
        self.ended = False

    def serve(self) -> None:
        """Answers until the search closes its end."""
        channel = Channel.take()
        ray = self.ray
        ray.init(**{"namespace": NAMESPACE, "logging_level": "warning", **self.init})
        self._visit()
        passing = threading.Thread(target=self._pass_on, args=(channel,), daemon=True)
        passing.start()
        try:
            channel.hello(self.concurrency)
            for batch in channel.batches():
                self._ask(batch)
        except BrokenPipeError:
            pass
        # A search that was killed has requests without an answer: what came of them is kept for it.
        with self.lock:
            self.ended, killed = True, bool(self.open)
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)
        passing.join(10)
        if not killed:
            ray.get(self.desk.rest.remote())

    def _visit(self) -> None:
        """Connects with the desk, a new one where there is none."""
        while True:
            self.desk = self._desk()
            try:
                host, port, token = self.ray.get(self.desk.where.remote())
                break
            except self.ray.exceptions.RayActorError:
                time.sleep(0.2)  # its name is still that of one that has died
        try:
            self.connection = socket.create_connection((host, port), timeout=60)
        except OSError as err:
            raise IsocostError(f"no connection with the desk at {host}:{port}: {err}", "run the search where it reaches the cluster's nodes, as on one of them") from None
        self.connection.settimeout(None)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.sendall(b"\n".join([token.encode(), *self.open.values(), b""]))

    def _ask(self, batch: list[bytes]) -> None:
        """Hands requests and cancels to the desk."""
        with self.lock:
            for line in batch:
                x = json.loads(line)
                if "cancel" in x:
                    self.open.pop(x["cancel"], None)
                else:
                    self.open[x["id"]] = line
            try:
                self.connection.sendall(b"\n".join([*batch, b""]))
            except OSError:
                pass  # the other thread finds out, and asks a new desk for all that is open

    def _pass_on(self, channel: Channel) -> None:
        """Passes answers on, and finds a new desk where the old one has died."""
        while True:
            try:
                for batch in lines(partial(self.connection.recv, 1 << 16)):
                    with self.lock:
                        answers = [a for a in batch if self.open.pop(json.loads(a)["id"], None) is not None]
                    channel.write_bytes(b"".join(a + b"\n" for a in answers))
            except BrokenPipeError:
                return
            except OSError:
                pass
            with self.lock:
                if self.ended:
                    return
                print(f"isocost: the desk {self.name} died; what it ran is run again", file=sys.stderr)
                try:
                    self._visit()
                except BaseException as err:  # the search starts another process
                    print(f"isocost: error: {err}", file=sys.stderr, flush=True)
                    os._exit(1)

    def _desk(self) -> Any:
        """The desk of this evaluator, a new one where there is none."""
        import isocost

        # By value: nodes need no installation of this package.
        self.ray.cloudpickle.register_pickle_by_value(isocost)
        train = self.train

        def answer(arch: str, seed: int, fidelity: float) -> Answer:
            return train.outcome(Arch.parse(arch), seed, fidelity).answer()

        # With the head, which holds the cluster's own state: where it dies all is lost anyway.
        head = "node:__internal_head__"
        where = {"resources": {head: 0.001}} if head in self.ray.cluster_resources() else {}
        actor = self.ray.remote(Desk).options(
            name=self.name, namespace=NAMESPACE, lifetime="detached", get_if_exists=True, num_cpus=0, max_concurrency=8, **where
        )
        return actor.remote(answer, self.resources, LINGER)


def default_name(train: Evaluator, resources: dict[str, Any]) -> str:
    """A name that changes with the evaluator's file, its arguments and what it is given."""
    h = hashlib.sha256(repr((sys.argv[1:], sorted(resources.items()))).encode())
    try:
        source = inspect.getsourcefile(train.train)
    except TypeError:
        source = None
    h.update(Path(source).read_bytes() if source else repr(train.train).encode())
    return f"isocost-{h.hexdigest()[:16]}"
