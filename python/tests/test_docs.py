"""The tutorial's Python runs, block after block, in one folder."""

import re
import shutil

import pytest


def run(root, vectors, folder, monkeypatch, wanted):
    """Executes the blocks that are wanted; the names they leave."""
    blocks = re.findall(r"```python\n(.*?)```", (root / "docs" / "python.md").read_text(), re.S)
    assert len(blocks) >= 5
    shutil.copytree(vectors / "run", folder / "run")
    for name in ("rec.jsonl", "device.lut.json"):
        shutil.copy(vectors / name, folder)
    monkeypatch.chdir(folder)
    names = {"__name__": "tutorial"}
    for block in filter(wanted, blocks):
        exec(compile(block, "docs/python.md", "exec"), names)
    return names


def test_tutorial(root, vectors, tmp_path, monkeypatch):
    names = run(root, vectors, tmp_path, monkeypatch, lambda block: "torch" not in block)
    assert names["found"].reached and names["train"].__name__ == "train"


@pytest.mark.torch
def test_tutorial_with_torch(root, vectors, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="make test-python has torch")
    names = run(root, vectors, tmp_path, monkeypatch, lambda block: "torch" in block or "import isocost\n\nrun" in block)
    assert (tmp_path / "net.onnx").stat().st_size > 1000
    # Downhill leads away from the dearer choice; a skip, the last, costs nothing.
    grad = names["alphas"][0].grad
    assert grad[0] > 0 > grad[2] and names["loss"].item() > 0
