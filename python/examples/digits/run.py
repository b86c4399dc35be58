"""From two blocks of our own to a network that nothing of the same cost beats: make python."""

import json
import os
import shlex
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from data import judge_x, train_x
from net import space

import isocost
import supernet
from isocost import programs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


def main(folder: Path) -> None:
    """Runs all steps in folder."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)

    step("1/7", "the space: one ONNX file per different module, width and precision")
    path = space.save("space", calibration=train_x[:32].numpy())
    print(f"{len(list(Path('space/modules').iterdir()))} modules in {folder / path}")

    step("2/7", "what they cost on this machine: each in context, between the neighbours it has in the space")
    programs.run("agent", ["plan", "--space", path, "--calibrate", "12", "--audit", "20", "--seed", "1", "-o", "plan.jsonl"], talk=True)
    Path("rec.jsonl").unlink(missing_ok=True)
    programs.run("agent", ["bench", "--plan", "plan.jsonl", "--protocol", ROOT / "examples" / "mobile-cnn" / "protocol.yaml", "--max-time", "45s", "-o", "rec.jsonl"], partial=True, talk=True)
    print(compiled())
    table = isocost.Table("device.lut.json")

    step("3/7", f"a supernet: {supernet.STEPS} steps, each of a random network")
    began = time.monotonic()
    torch.set_num_threads(2)
    supernet.fit(Path("supernet.pt"))
    print(f"trained in {time.monotonic() - began:.0f} s")

    step("4/7", "the search: by the supernet, and then by training alone those networks that came near the end")
    run = isocost.search(path, table, evaluator("supernet.py", "supernet.pt"), f"run-{int(time.time())}", epsilon=2.0, tau=0.1, budget=1500, workers=2,
                         args=["--neighbours", "exchange", "--final", evaluator("train.py"), "--validation", f"the {len(judge_x)} images that judge"])  # fmt: skip
    print(run.claim)

    step("5/7", "every number again, from the journal alone")
    print(next(line for line in run.verify().splitlines() if "recomputed" in line).strip())

    step("6/7", "the network: best.onnx against the Python model, and its time against the anchor's, side by side")
    print(equal(run, path))
    print(timed(run, path, table))

    step("7/7", "what the supernet's ranking is worth")
    print(worth(run))
    print(f"\nthe final {run.best.key}\nthe model {folder / run.path / 'best.onnx'}\nthe report {folder / run.report(run.path / 'report.html')}")


def step(number: str, text: str) -> None:
    """Says what comes now."""
    print(f"\n== {number} {text}", flush=True)


def evaluator(file: str, *args: str) -> str:
    """How isosearch starts a file of this folder."""
    return "exec:" + shlex.join([sys.executable, str(HERE / file), *args])


def compiled() -> str:
    """Compiles the table; on a host too noisy for it, of noisy records too, and says so."""
    try:
        return programs.run("costgen", ["compile", "rec.jsonl", "-o", "device.lut.json"])
    except isocost.ProgramError as err:
        said = programs.run("costgen", ["compile", "--accept", "preempted,noisy,drift", "rec.jsonl", "-o", "device.lut.json"])
        return f"{said}this host is noisy ({err}): noisy records were accepted, which the audit above judges too"


def equal(run: isocost.Run, path: Path) -> str:
    """How near best.onnx, and the same network in fp32, are to the Python model with the exported weights."""
    plain = isocost.Arch.of(tuple(isocost.Layer(x.choice, x.width, "fp32") for x in run.best.layers))
    said = []
    for name, arch, model in (("in fp32", plain, isocost.compose(path, plain, "fp32.onnx")), ("as found", run.best, run.path / "best.onnx")):
        with torch.no_grad():
            want = torch.cat([space.build(arch, exported=True)(x[None]) for x in judge_x[:64]]).numpy()
        session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        got = np.concatenate([session.run(None, {session.get_inputs()[0].name: x[None].numpy()})[0] for x in judge_x[:64]])
        error = float(np.abs(got - want).max() / np.abs(want).max())
        if arch == plain and error > 1e-5:
            raise SystemExit(f"the composed network is not the Python model: they differ by {error:.2g} of the largest output")
        quantised = sum(x.precision == "int8" for x in arch.layers)
        said.append(f"{name}, {quantised} of {len(arch)} layers in int8: largest difference {error:.1e} of the largest output")
    return "\n".join(said)


def timed(run: isocost.Run, path: Path, table: isocost.Table) -> str:
    """The final's time over the anchor's, measured in one campaign, or that this host is too noisy to tell."""
    said = json.loads(programs.run("isosearch", ["price", "--space", path, "--lut", table, "--measure", "local", "--measure-arg=--max-time=15s", "--measure-again=30s",
                                                 "--json", "-o", "timed", run.path], partial=True))  # fmt: skip
    anchor, final = (a["costs"][0] for a in said["architectures"])
    text = f"predicted {final['predicted']['value']:.1f} us, {final['deviation']:+.1%} of the anchor's"
    ratio = (final.get("measured") or {}).get("deviation")
    if ratio is None:
        return f"{text}; measured: not known: this host was too noisy for the ratio, try again when it is calmer"
    return f"{text}; measured {final['measured']['value']:.1f} us, {ratio:+.1%}"


def worth(run: isocost.Run) -> str:
    """The fidelity line: the supernet's scores beside accuracies of networks trained by themselves."""
    line = run.certificate["fidelity"]
    rank = "not known" if line.get("spearman") is None else f"{line['spearman']:.2f}"
    return f"of {line['archs']} networks in the band, each trained alone: rank correlation {rank}, {line['wrong']} of {line['pairs']} pairs ordered otherwise"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "demo" / "python").resolve())
