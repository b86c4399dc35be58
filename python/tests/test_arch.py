"""Architectures are read and written as Go does."""

import json

import pytest

import isocost
from isocost import Arch, IsocostError, Layer


def test_key_is_that_of_go(vectors):
    data = json.loads((vectors / "run" / "best.json").read_text())
    arch = Arch.read(vectors / "run" / "best.json")
    assert arch.key == data["key"]
    assert [x.choice for x in arch.layers] == [x["choice"] for x in data["layers"]]


@pytest.mark.parametrize("key", ["a", "mb_k3_e6:2:int8|skip:2:fp32|mb_k5_e3:4:fp32", "a:fp32|b", "0|2|1"])
def test_parse_and_of_agree(key):
    arch = Arch.parse(key)
    assert Arch.of(arch.layers) == arch
    assert Arch.of(arch.layers).key == key


def test_width_0_and_no_precision_are_left_out():
    assert Arch.of([{"choice": "a", "width": 0}]).key == "a"
    assert Arch.parse("a:3:int8").layers == (Layer("a", 3, "int8"),)


@pytest.mark.parametrize("key", ["", "a||b", "a:1:int8:x", ":3"])
def test_bad_keys_are_refused(key):
    with pytest.raises(ValueError, match="layer"):
        Arch.parse(key)


def test_a_changed_file_is_refused(tmp_path, vectors):
    text = (vectors / "run" / "best.json").read_text()
    bad = tmp_path / "best.json"
    bad.write_text(text.replace('"key": "2|2"', '"key": "2|1"'))
    with pytest.raises(IsocostError, match="not that of the layers"):
        Arch.read(bad)
    bad.write_text(text.replace("arch/v1", "arch/v9"))
    with pytest.raises(IsocostError, match="arch/v9"):
        Arch.read(bad)
    bad.write_text(text[:40])
    with pytest.raises(IsocostError, match="best.json:1"):
        isocost.Arch.read(bad)
