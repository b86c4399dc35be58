"""The desk: a detached Ray actor that owns the trainings of one evaluator.

A training belongs to whoever submitted it and dies with him. So no search submits any: they ask
the desk, which outlives them, runs each (architecture, seed, fidelity) once, and keeps what came
of it for whoever asks again.

What a training costs beside itself is kept small in two ways. A search's process speaks the exec
protocol with the desk over a socket: an actor's method per request and answer takes as long as
Ray takes for a training. And trainings run on actors that stay while there is work: a task of its
own for each asks Ray for a worker each time.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import socket
import threading
import time
from collections import deque
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Callable

from .channel import lines

__all__ = ["Answer", "Desk", "Key"]

#: What a training is: architecture key, seed, fidelity.
Key = tuple[str, int, float]

#: What came of one: an answer of docs/formats/exec.md, without its id. Plain, as it travels by Ray:
#: a class of this package would travel with every answer.
Answer = dict[str, Any]

#: Answers kept for a search that asks again; the oldest go first.
KEPT = 100_000

#: How long a trainer without work keeps its resources, in seconds.
IDLE = 20.0

#: How long the desk stays after a search that ended by itself, in seconds.
SOON = 60.0

#: How often the desk looks for trainers and itself without work, in seconds.
TIDY = 2.0


class Trainer:
    """Trains, one network at a time. Ray starts it anew, elsewhere if need be, where it dies."""

    answer: Callable[[str, int, float], Answer]  # of a subclass, which Ray keeps for nodes to come

    def ready(self) -> None:
        """Returns once it has its resources."""

    def train(self, arch: str, seed: int, fidelity: float) -> Answer:
        """Trains once."""
        return self.answer(arch, seed, fidelity)


class Desk:
    """Has trainings run and hands out what came of them, to several searches at once."""

    def __init__(self, answer: Callable[[str, int, float], Answer], resources: dict[str, Any], linger: float) -> None:
        import ray

        self._ray = ray
        self._trainer = ray.remote(**resources)(type("Trainer", (Trainer,), {"answer": staticmethod(answer)}))
        self._linger = linger
        # All of this is the one thread's that runs self._events.
        self._events: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._queue: deque[Key] = deque()
        self._running: dict[Key, Any] = {}  # the trainer
        self._free: list[tuple[Any, float]] = []  # trainers without work, and since when
        self._hired = 0  # trainers, those that Ray has no room for yet among them
        self._waiting: dict[Key, list[tuple[Visitor, str]]] = {}  # with the request's id
        self._visitors: set[Visitor] = set()
        self._done: dict[Key, Answer] = {}
        self._seen = time.monotonic()
        self._token = secrets.token_hex(16)
        host = ray.util.get_node_ip_address()
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        for target in (self._listen, self._run):
            threading.Thread(target=target, daemon=True).start()

    def where(self) -> tuple[str, int, str]:
        """Host, port and the word that a search's process begins with."""
        return (*self._listener.getsockname()[:2], self._token)

    def rest(self) -> None:
        """A search has ended by itself: nobody is expected back, and the desk ends soon."""
        self._seen = time.monotonic() - max(self._linger - SOON, 0.0)

    def _listen(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._attend, args=(connection,), daemon=True).start()

    def _attend(self, connection: socket.socket) -> None:
        """Serves a visitor until he closes his end, or is gone."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        visitor = Visitor(connection)
        batches = lines(partial(connection.recv, 1 << 16))
        try:
            first, *rest = next(batches, [b""])
            if not hmac.compare_digest(first, self._token.encode()):
                return
            self._visitors.add(visitor)
            self._events.put(partial(self._asked, visitor, rest))
            for batch in batches:
                self._events.put(partial(self._asked, visitor, batch))
        except OSError:
            pass
        finally:
            self._events.put(partial(self._left, visitor))

    def _run(self) -> None:
        tidied = time.monotonic()
        while True:
            try:
                self._events.get(timeout=TIDY)()
            except Empty:
                pass
            if time.monotonic() - tidied > TIDY:
                tidied = time.monotonic()
                self._tidy()

    def _asked(self, visitor: "Visitor", batch: list[bytes]) -> None:
        """A visitor has requests and cancels."""
        for x in map(json.loads, batch):
            if "cancel" in x:
                self._unwanted(visitor, x["cancel"])
                continue
            key: Key = (x["arch"], x["seed"], x["fidelity"])
            if key in self._done:
                visitor.tell(x["id"], self._done[key])
                continue
            if key not in self._waiting:
                self._waiting[key] = []
                self._queue.append(key)
            self._waiting[key].append((visitor, x["id"]))
        self._dispatch()

    def _dispatch(self) -> None:
        """Gives trainings to trainers, and has more trainers come where all have work."""
        while self._queue and self._free:
            key, (trainer, _) = self._queue.popleft(), self._free.pop()
            self._running[key] = trainer
            trainer.train.remote(*key).future().add_done_callback(lambda f, key=key: self._events.put(partial(self._trained, key, f)))
        while self._hired < len(self._queue) + len(self._running):
            self._hired += 1
            trainer = self._trainer.remote()
            trainer.ready.remote().future().add_done_callback(lambda f, t=trainer: self._events.put(partial(self._came, t, f)))

    def _came(self, trainer: Any, future: Any) -> None:
        """A trainer has its resources."""
        if future.exception() is not None:
            self._dismiss(trainer)
        else:
            self._free.append((trainer, time.monotonic()))
        self._dispatch()

    def _trained(self, key: Key, future: Any) -> None:
        """A training has ended."""
        trainer = self._running.pop(key)
        try:
            answer = future.result()
            self._free.append((trainer, time.monotonic()))
        except Exception as err:  # the worker or its node died more often than it is retried
            text = str(err).strip().splitlines() or [""]
            answer = {"error": f"{type(err).__name__}: {text[0]}"[:500]}
            self._dismiss(trainer)
        for visitor, id in self._waiting.pop(key, []):
            visitor.tell(id, answer)
        if "error" not in answer or answer.get("final"):  # what may pass is tried again when asked again
            self._done[key] = answer
        while len(self._done) > KEPT:
            del self._done[next(iter(self._done))]
        self._seen = time.monotonic()
        self._dispatch()

    def _unwanted(self, visitor: "Visitor", id: str) -> None:
        """Forgets a request, and the training where nobody else waits for it."""
        for key, waiters in self._waiting.items():
            if (visitor, id) in waiters:
                waiters.remove((visitor, id))
                if waiters:
                    return
                if key in self._running:
                    self._ray.kill(self._running[key])  # it ends as a training that has failed
                else:
                    self._queue.remove(key)
                    del self._waiting[key]
                return

    def _left(self, visitor: "Visitor") -> None:
        """A visitor has gone. What was asked goes on: it may be asked again."""
        for waiters in self._waiting.values():
            waiters[:] = [w for w in waiters if w[0] is not visitor]
        self._visitors.discard(visitor)
        self._seen = time.monotonic()
        visitor.close()

    def _dismiss(self, trainer: Any) -> None:
        self._hired -= 1
        self._ray.kill(trainer)

    def _tidy(self) -> None:
        """Ends trainers that have had no work, and the desk when nobody has come back to it.

        Without a visitor trainers end at once: other searches want their processors.
        """
        now = time.monotonic()
        patience = IDLE if self._visitors else 0.0
        for trainer, _ in [x for x in self._free if now - x[1] > patience]:
            self._dismiss(trainer)
        self._free = [x for x in self._free if now - x[1] <= patience]
        if not (self._running or self._queue or self._visitors) and now - self._seen > self._linger:
            os._exit(0)


class Visitor:
    """A search's process at the other end of a connection. Nobody waits for one that does not read."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._answers: SimpleQueue[bytes] = SimpleQueue()
        threading.Thread(target=self._send, daemon=True).start()

    def tell(self, id: str, answer: Answer) -> None:
        """Sends an answer."""
        self._answers.put(json.dumps({"id": id, **answer}, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Closes the connection when all has been sent."""
        self._answers.put(b"")

    def _send(self) -> None:
        with self._connection:
            while data := self._answers.get():
                try:
                    self._connection.sendall(data)
                except OSError:
                    return
