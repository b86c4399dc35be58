"""Frames hold the numbers of the files, and of what Go says of the same files."""

import json

import pytest

import isocost
from isocost import IsocostError, ProgramError, programs


def test_run(vectors):
    run = isocost.Run(vectors / "run")
    cert = json.loads((vectors / "run" / "certificate.json").read_text())
    assert run.reached and run.claim == cert["claim"]["text"]
    assert run.epsilon_hat == cert["claim"]["epsilon_hat"]
    assert run.best.key == cert["final"]["arch"] and run.anchor.key == cert["anchor"]["arch"]
    evals = run.evaluations()
    entries = [json.loads(line) for line in (vectors / "run" / "journal.jsonl").read_text().splitlines()[1:]]
    assert list(evals.utility) == [e["utility"] for e in entries if e["kind"] == "eval"]
    # The final's mean in the certificate is over the evaluations of the search.
    final = evals[(evals.arch == run.best.key) & (evals.stream == "search")]
    assert len(final) == cert["final"]["n"]
    assert final.utility.mean() == pytest.approx(cert["final"]["mean"], rel=1e-12)
    assert (evals.fidelity == 1).all() and evals.error.isna().all()
    hood = run.neighbours()
    assert list(hood.arch) == [n["arch"] for n in cert["neighbours"]]
    assert list(hood["cost space:latency_us"]) == [n["costs"][0]["value"] for n in cert["neighbours"]]
    assert list(run.moves().to) == [m["to"] for m in cert["moves"]]
    assert len(run.measured()) == 0
    assert "every number recomputed" in run.verify()


def test_a_forged_run_is_found_out(vectors, tmp_path):
    import shutil

    shutil.copytree(vectors / "run", tmp_path / "run")
    cert = tmp_path / "run" / "certificate.json"
    cert.write_text(cert.read_text().replace('"samples": 37', '"samples": 36'))
    with pytest.raises(ProgramError) as err:
        isocost.Run(tmp_path / "run").verify()
    assert err.value.code == 1 and "36" in str(err.value) + err.value.stderr


def test_no_run(tmp_path):
    with pytest.raises(IsocostError, match="journal.jsonl"):
        isocost.Run(tmp_path)


def test_records(vectors):
    rec = isocost.Records(vectors / "rec.jsonl")
    f = rec.frame()
    lines = [json.loads(line)["record"] for line in (vectors / "rec.jsonl").read_text().splitlines()[1:] if '"record"' in line]
    assert list(f.case) == [r["case"] for r in lines]
    assert list(f.estimate_us) == [r["estimate_us"] for r in lines]
    assert (f.lo_us <= f.estimate_us).all() and (f.estimate_us <= f.hi_us).all()
    assert rec.device["id"].startswith("sim:") and rec.runtime["backend"] == "sim"
    samples = rec.samples()
    visits = [json.loads(line)["visit"] for line in (vectors / "rec.jsonl").read_text().splitlines()[1:] if line.startswith('{"visit"')]
    assert len(samples) == sum(len(v["us"]) for v in visits) > 0
    assert (samples.us > 0).all()


def test_a_torn_log_loses_its_last_line_alone(vectors, tmp_path):
    text = (vectors / "rec.jsonl").read_text()
    torn = tmp_path / "rec.jsonl"
    torn.write_text(text[:-30])
    assert len(isocost.Records(torn).samples()) <= len(isocost.Records(vectors / "rec.jsonl").samples())
    lines = text.splitlines(keepends=True)
    torn.write_text("".join([*lines[:3], "{broken\n", *lines[3:]]))
    with pytest.raises(IsocostError, match="rec.jsonl:4"):
        isocost.Records(torn).frame()


def test_table_is_what_costgen_inspects(vectors):
    table = isocost.Table(vectors / "device.lut.json")
    f = table.frame()
    cells = json.loads(programs.run("costgen", ["inspect", vectors / "device.lut.json", "--cells", "/", "--json"]))
    assert sorted(f.corrected) == sorted(c["corrected"] for c in cells)
    assert len(f) == len(cells) and (table.metric, table.unit) == ("latency", "us")
    mb = f[f.family.str.startswith("mbconv[act=relu6,k=3")]
    assert list(mb.mid) == [16, 32, 48]
    assert mb.h.notna().all() and f[f.family == "linear/fp32"].h.isna().all()


def test_predict_is_costgen(vectors, root):
    model = root / "cmd" / "agent" / "testdata" / "add.onnx"
    p = isocost.predict(model, vectors / "device.lut.json")
    said = json.loads(programs.run("costgen", ["predict", "--lut", vectors / "device.lut.json", model, "--json"], partial=True))
    assert p.unit == "us" and p.total == said["total_us"] and p.known == said["known_us"] and p.table == said["table"]
    # What the table lacks is never counted as nothing.
    assert p.total is None and len(p.missing) == len(said["missing"]) > 0
    with pytest.raises(ValueError, match="missing"):
        float(p)
    assert isocost.Table(vectors / "device.lut.json").predict(model) == p
    assert list(p.frame().columns) == ["name", "key", "cost", "lo", "hi"]


def test_errors_are_the_programs_own(vectors, tmp_path):
    with pytest.raises(ProgramError) as err:
        isocost.predict(tmp_path / "absent.onnx", vectors / "device.lut.json")
    assert "absent.onnx" in str(err.value) and err.value.code == 1
    with pytest.raises(ProgramError) as err:
        programs.run("costgen", ["predict", "--nonsense"])
    assert err.value.code == 2


def test_a_missing_program_says_how_to_build_it(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOCOST_BIN", str(tmp_path))
    with pytest.raises(IsocostError, match="make build"):
        programs.find("costgen")
    with pytest.raises(ValueError):
        programs.find("rm")


def test_nan_in_a_file_is_refused(vectors, tmp_path):
    bad = tmp_path / "t.lut.json"
    bad.write_text((vectors / "device.lut.json").read_text().replace('"raw":0.399', '"raw":NaN'))
    with pytest.raises(IsocostError, match="NaN"):
        isocost.Table(bad)
