"""Expected costs equal Go's prices at the corners, and what they should be between them."""

from __future__ import annotations

import json
import random

import pytest

import isocost
from isocost import programs

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="make test-python has torch")


@pytest.fixture(scope="module")
def digits(root, tmp_path_factory):
    """A space of two precisions and its table on a simulated device."""
    folder = tmp_path_factory.mktemp("digits")
    space = root / "examples" / "digits" / "space.yaml"
    programs.run("agent", ["plan", "--space", space, "--calibrate", "8", "--audit", "8", "--seed", "1", "-o", folder / "plan.jsonl"])
    programs.run(
        "agent", ["bench", "--plan", folder / "plan.jsonl", "--backend", "sim", "--sim-device", root / "examples" / "sim-device.yaml",
                  "--protocol", root / "testdata" / "vectors" / "protocol.yaml", "-o", folder / "rec.jsonl"], partial=True,
    )  # fmt: skip
    programs.run("costgen", ["compile", "--accept", "noisy,drift", folder / "rec.jsonl", "-o", folder / "t.lut.json"])
    return space, folder / "t.lut.json"


@pytest.fixture(scope="module")
def cost(torch, digits):
    return isocost.ExpectedCost(digits[0], [digits[1], "space:flops"])


def some(layers, n, seed=1):
    """Random architectures, every width and precision, skips too."""
    chance = random.Random(seed)
    return [
        isocost.Arch.of([{"choice": chance.choice(x.choices), "width": chance.randrange(len(x.widths)), "precision": chance.choice(x.precisions)} for x in layers])
        for _ in range(n)
    ]


def test_corners_are_gos_prices(cost, digits):
    archs = some(cost.tensor.layers, 60)
    assert any(x.choice == "skip" for a in archs for x in a.layers)
    said = json.loads(programs.run("isosearch", ["price", "--space", digits[0], "--lut", f"{digits[1]},space:flops", "--json", *[f"a{i}={a}" for i, a in enumerate(archs)]]))
    for a, go in zip(archs, said["architectures"][1:], strict=True):
        got = cost.corner(a)
        for k in range(2):
            assert got[k].item() == pytest.approx(go["costs"][k]["predicted"]["value"], rel=1e-9)


def test_between_corners_it_is_the_expectation(cost, torch):
    """Over flops, which are not calibrated, the mean of sampled architectures; and exactly, over two layers enumerated."""
    layers = cost.tensor.layers
    generator = torch.Generator().manual_seed(1)
    joint = [torch.rand(len(x.choices), len(x.widths), len(x.precisions), generator=generator, dtype=torch.float64) for x in layers]
    joint = [p / p.sum() for p in joint]
    # Two layers vary, the others are corners.
    for n in range(2, len(layers)):
        c, w, p = layers[n].default
        joint[n] = torch.zeros_like(joint[n])
        joint[n][c, w, p] = 1
    want = 0.0
    for i, p in enumerate(joint[0].flatten()):
        for j, q in enumerate(joint[1].flatten()):
            at = [x.clone() for x in joint]
            for n, k in ((0, i), (1, j)):
                at[n] = torch.zeros_like(joint[n])
                at[n].view(-1)[k] = 1
            want += (p * q).item() * cost(at)[1].item()
    assert cost(joint)[1].item() == pytest.approx(want, rel=1e-9)


def test_gradients_are_right(cost, torch):
    logits = [torch.zeros(len(x.choices), dtype=torch.float64, requires_grad=True) for x in cost.tensor.layers]

    def expected(*logits):
        return cost([a.softmax(-1) for a in logits])[0]

    assert torch.autograd.gradcheck(expected, logits, eps=1e-5, atol=1e-5)
    # Downhill is the cheapest choice of each layer: the skip where there is one.
    step = torch.optim.Adam(logits, lr=0.3)
    for _ in range(80):
        step.zero_grad()
        expected(*logits).backward()
        step.step()
    for a, x in zip(logits, cost.tensor.layers):
        if "skip" in x.choices:
            assert x.choices[a.argmax()] == "skip"


def test_widths_and_precisions_have_probabilities_too(cost, torch):
    layers = cost.tensor.layers
    choices = [torch.eye(len(x.choices), dtype=torch.float64)[x.default[0]] for x in layers]
    for n in range(len(layers[0].widths)):
        widths = [torch.eye(len(x.widths), dtype=torch.float64)[n] for x in layers]
        precisions = [torch.eye(len(x.precisions), dtype=torch.float64)[-1] for x in layers]
        arch = isocost.Arch.of([{"choice": x.choices[x.default[0]], "width": n, "precision": x.precisions[-1]} for x in layers])
        assert torch.equal(cost(choices, widths, precisions), cost.corner(arch))
    with pytest.raises(ValueError, match="layer 0"):
        cost([torch.ones(99) for _ in layers])
    with pytest.raises(ValueError, match="widths for"):
        cost(choices, [torch.ones(1)])
    with pytest.raises(ValueError, match="layer 0 has choices"):
        cost.corner("|".join(["nonsense"] * len(layers)))


def test_arrays_are_layer_choice_width_precision(cost):
    own = cost.tensor.own(0)
    layers = cost.tensor.layers
    assert own.shape == (len(layers), max(len(x.choices) for x in layers), len(layers[0].widths), len(layers[0].precisions))
    assert cost.tensor.between(0).shape == (len(layers), len(cost.tensor.states), *own.shape[1:])
    skip = [(n, x.choices.index("skip")) for n, x in enumerate(layers) if "skip" in x.choices]
    assert all((own[n, c] == 0).all() for n, c in skip) and (own[0, 0] > 0).all()


def test_global_width(torch, root, tmp_path):
    text = (root / "examples" / "tiny-cnn" / "space.yaml").read_text().replace("scope: layer", "scope: global")
    (tmp_path / "space.yaml").write_text(text)
    cost = isocost.ExpectedCost(tmp_path / "space.yaml", "space:params")
    assert cost.tensor.global_width and len(cost.tensor.grids) == 5
    archs = [isocost.Arch.of([{"choice": "mb_k3_e4", "width": w, "precision": "fp32"}] * 4) for w in range(5)]
    said = json.loads(programs.run("isosearch", ["price", "--space", tmp_path / "space.yaml", "--lut", "space:params", "--json", *[f"a{i}={a}" for i, a in enumerate(archs)]]))
    want = [a["costs"][0]["predicted"]["value"] for a in said["architectures"][1:]]
    assert [cost.corner(a).item() for a in archs] == pytest.approx(want, rel=1e-9)
    even = [torch.full((5,), 0.2, dtype=torch.float64)] * 4
    choices = [torch.eye(len(x.choices), dtype=torch.float64)[0] for x in cost.tensor.layers]
    assert cost(choices, even).item() == pytest.approx(sum(want) / 5, rel=1e-9)
