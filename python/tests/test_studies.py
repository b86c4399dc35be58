"""The studies whose networks are trained, in a short form: what has rotten is found before hours are spent on it."""

import importlib
import os
import re
import subprocess
import sys

import pytest

# The sizes of a study file in its short form, and those of the programs that train what it found.
SHORTER = {"random_anchors": "1", "seeds": "[1]", "budget": "12", "fresh": "2", "methods": "[random]", "measure": None}
PROGRAMS = {
    "training-lengths": ("training_lengths", 4, {
        "LENGTHS": [1, 2], "NETWORKS": 4, "FRESH": (91,), "SEARCHED": ("digits", 1), "JUDGED": [("digits", 1), ("photographs", 2)],
        "SEEDS": {(d, e): (e, 10 + e) for d in ("digits", "photographs") for e in (1, 2)},
    }),
    "digits-hybrid": ("digits_hybrid", 6, {"EPOCHS": 1, "NETWORKS": 4, "SEEDS": (1, 2)}),
}  # fmt: skip

# In the place of the training-free score, whose scale wants hundreds of networks.
MADE_UP = """
import json, random, sys
for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps({"id": asked["id"], "utility": random.Random(asked["arch"]).random()}), flush=True)
"""


def table(root, space, folder):
    """A table of a space's costs on the simulated device, whose clock takes no time."""
    agent, costgen = root / "bin" / "agent", root / "bin" / "costgen"
    run = lambda *command: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    run(agent, "plan", "--space", space, "--calibrate", "4", "--audit", "4", "-o", folder / "plan.jsonl")
    run(agent, "bench", "--plan", folder / "plan.jsonl", "--backend", "sim", "--sim-device", root / "examples" / "sim-device.yaml", "-o", folder / "rec.jsonl")
    run(costgen, "compile", folder / "rec.jsonl", "-o", folder / "device.lut.json")


@pytest.mark.torch
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_study_of_trainings_runs(name, root, tmp_path, monkeypatch, capsys):
    program, layers, sizes = PROGRAMS[name]
    monkeypatch.chdir(root)
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"])  # the evaluator is python3's
    monkeypatch.setenv("WORKERS", "1")
    monkeypatch.syspath_prepend(root / "scripts" / "studies")
    folder = tmp_path / "studies" / f"{name}.run"
    folder.mkdir(parents=True)
    (tmp_path / "examples").symlink_to(root / "examples")
    text = (root / "studies" / f"{name}.yaml").read_text()
    for field, value in SHORTER.items():
        text = re.sub(rf"(?m)^{field}: .*\n", f"{field}: {value}\n" if value else "", text)
    text = text.replace("--epochs 3 --fit 300", "--epochs 1 --fit 64")
    (tmp_path / "made_up.py").write_text(MADE_UP)
    text = text.replace("evaluator: onnx\n", f"evaluator: exec:python3 {tmp_path}/made_up.py\nsigma: 0.1\n")
    default = "|".join(["mb_k3_e3:2:fp32"] * layers)
    (tmp_path / "studies" / "study.yaml").write_text(f"{text}anchors: ['{default}']\n")
    table(root, re.search(r"^space: \.\./(.*)$", text, re.M)[1], folder)
    subprocess.run([root / "bin" / "isosearch", "study", "--config", tmp_path / "studies" / "study.yaml", "-o", folder / "study"],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip

    module = importlib.import_module(program)
    for constant, value in {**sizes, "OPTIONS": ["64" if option == "300" else option for option in module.OPTIONS]}.items():
        monkeypatch.setattr(module, constant, value)
    trainer = sys.modules["torch_mbconv"]
    whole = trainer.load
    monkeypatch.setattr(trainer, "load", lambda data: tuple(part[::7] for part in whole(data)))  # most of the time is the judges'
    journal = module.Journal(folder / "trainings.jsonl")
    module.train(folder, journal)
    lines = journal.path.read_text().splitlines()

    # A kill tears a line: that training alone is repeated.
    journal.path.write_text("\n".join(lines)[:-9])
    again = module.Journal(journal.path)
    assert len(again.known) == len(lines) - 1
    module.train(folder, again)
    assert again.known == journal.known, "a training from the same seed says something else"

    capsys.readouterr()
    module.page(folder, again)
    page = capsys.readouterr().out
    for said in ("# ", "### What may be concluded\n", f"{len(lines)} trainings of ", "from none"):
        assert said in page, page
