"""onnxruntime's own Python loop, as its users write it."""

import statistics
import time

import numpy as np
import onnxruntime

held = {}


def open_model(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    held["session"] = session
    held["feeds"] = {i.name: rng.random(i.shape, dtype=np.float32) for i in session.get_inputs()}
    return {}


def run(n):
    session, feeds, took = held["session"], held["feeds"], []
    for _ in range(2):
        session.run(None, feeds)
    for _ in range(int(n)):
        began = time.perf_counter()
        session.run(None, feeds)
        took.append(time.perf_counter() - began)
    return {"median_s": statistics.median(took)}


ASKED = {"ort-open": open_model, "ort-run": run}
