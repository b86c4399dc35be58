"""The tutorial's Python runs, block after block, in one folder."""

import re
import shutil


def test_tutorial(root, vectors, tmp_path, monkeypatch):
    text = (root / "docs" / "python.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(blocks) >= 3
    shutil.copytree(vectors / "run", tmp_path / "run")
    for name in ("rec.jsonl", "device.lut.json"):
        shutil.copy(vectors / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "tutorial"}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert names["found"].reached and names["train"].__name__ == "train"
