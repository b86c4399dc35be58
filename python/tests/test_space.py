"""Spaces of own modules: what is written equals the Python model, and what does not fit is named."""

from __future__ import annotations

import hashlib
import json
import math
import re
import subprocess

import numpy as np
import pytest

import isocost
from isocost import Arch, IsocostError, programs

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", reason="make test-python has torch")
nn = torch.nn


class Block(nn.Module):
    def __init__(self, cin, cout, stride, width):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(cin, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU6(),
            nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False), nn.BatchNorm2d(width), nn.ReLU6(),
            nn.Conv2d(width, cout, 1, bias=False), nn.BatchNorm2d(cout),
        )  # fmt: skip
        self.add = stride == 1 and cin == cout

    def forward(self, x):
        y = self.body(x)
        return x + y if self.add else y


def make(first=("int8", "fp32"), **last):
    """Two equal layers, of those precisions, and one that changes the shape."""
    torch.manual_seed(7)  # of the stem, which is given as it is
    space = isocost.Space("mine", input=(3, 16, 16))
    space.stem(nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()))
    for _ in range(2):
        space.layer({"block": lambda w: Block(8, 8, 1, w), "conv": lambda w: nn.Conv2d(8, 8, 3, 1, 1)}, widths=[8, 16], precisions=first, skip=True)
    space.layer(**{"choices": {"block": lambda w: Block(8, 12, 2, w)}, "widths": [8, 16], "precisions": ["fp32", "int8"], **last})
    space.head(lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 4)), name="classifier")
    return space


def odd(**last):
    """The stem and a last layer as given."""
    torch.manual_seed(7)
    space = isocost.Space("odd", input=(3, 16, 16))
    space.stem(nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()))
    space.layer(**{"choices": {"block": lambda w: Block(8, 12, 2, w)}, "widths": [8, 16], "name": "layer2", **last})
    return space


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    space = make()
    return space, space.save(tmp_path_factory.mktemp("space") / "s")


def files(path):
    """path → hash of the space file's table."""
    return dict(re.findall(r"^  (modules/\w+\.onnx): (\w+)$", path.read_text(), re.M))


def test_files_are_listed_by_their_content(saved):
    space, path = saved
    listed = files(path)
    assert {f"modules/{p.name}" for p in (path.parent / "modules").iterdir()} == set(listed)
    for name, sha in listed.items():
        assert hashlib.sha256((path.parent / name).read_bytes()).hexdigest() == sha
    # Stem, head, 2·2 of the last layer; conv has no width. The second layer equals the first but
    # in int8: what the first is handed is never negative.
    assert len(listed) == 2 + 4 + 3 + 2 * 3


def test_go_reads_what_is_written(saved, tmp_path):
    """isosearch counts the network's parameters, and agent plans its modules."""
    import onnx

    space, path = saved
    said = json.loads(programs.run("isosearch", ["price", "--space", path, "--lut", "space:params", "--json"]))
    assert said["architectures"][0]["arch"] == space.default.key
    # The files hold as many: batch norm is folded into biases, and equal biases are kept once.
    want = sum(math.prod(t.dims) for f in composed(path, space.default) for t in onnx.load(path.parent / f).graph.initializer)
    assert said["architectures"][0]["costs"][0]["predicted"]["value"] == want
    programs.run("agent", ["plan", "--space", path, "--calibrate", "2", "--audit", "2", "--seed", "1", "-o", tmp_path / "plan.jsonl"])
    plan = (tmp_path / "plan.jsonl").read_text()
    assert plan.count("name=block") > 0 and plan.count("name=conv") > 0


def test_int8_neighbours_have_one_zero(saved, tmp_path):
    """What lies between two modules is quantised about one zero, whichever they are: agent plan has nothing to warn of."""
    import onnx

    _, path = saved
    said = subprocess.run([programs.find("agent"), "plan", "--space", path, "-o", tmp_path / "plan.jsonl"], capture_output=True, text=True, check=True)
    assert "zeros" not in said.stderr
    zeros = set()
    for file in re.findall(r"int8: (modules/\w+.onnx)", path.read_text()):
        g = onnx.load(path.parent / file).graph
        constants = {t.name: onnx.numpy_helper.to_array(t) for t in g.initializer}
        ends = [n for n in g.node if n.op_type == "QuantizeLinear" and "x" in n.input or n.op_type == "DequantizeLinear" and "y" in n.output]
        assert len(ends) == 2
        zeros.add(tuple(int(constants[n.input[2]]) for n in ends))
    # The stem ends in a ReLU; every block hands on either sign, a skip before the second layer too.
    assert zeros == {(0, 128), (128, 128)}


def test_writing_again_changes_nothing(saved, tmp_path):
    _, path = saved
    (tmp_path / "s" / "modules").mkdir(parents=True)
    (tmp_path / "s" / "modules" / "stale.onnx").write_bytes(b"")
    again = make().save(tmp_path / "s")
    assert again.read_text() == path.read_text()
    assert not (tmp_path / "s" / "modules" / "stale.onnx").exists()


def composed(path, arch):
    """The files of an architecture, first to last."""
    text = path.read_text()
    forms = []
    forms += re.findall(r"name: stem, out: .*, form: (\S+)}", text)
    for n, layer in enumerate(arch.layers):
        if layer.choice == "skip":
            continue
        part = text.split(f"- name: layer{n}\n")[1].split("  - name:")[0]
        lines = re.search(rf"      {layer.choice}:(.*?)(?=\n      \w|\n    default)", part, re.S)[1]
        width = ["8", "16"][layer.width]
        line = re.search(rf"{width}: {{(.*)}}", lines) or re.search(r"{(.*)}", lines)
        forms.append(re.search(rf"{layer.precision}: (\S+?)[,}}]", line[0] + "}")[1])
    return forms + re.findall(r"name: classifier, out: .*, form: (\S+)}", text)


def compose(path, arch, x):
    """Runs the files of an architecture one after another."""
    for f in composed(path, arch):
        x = answer(path.parent / f, x)
    return x


def answer(model, x):
    """What a model says of x."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


@pytest.mark.parametrize("key", ["block:1:fp32|conv:fp32|block:1:fp32", "block:fp32|skip:fp32|block:fp32", "skip:fp32|conv:1:fp32|block:1:fp32"])
def test_files_compute_what_the_model_computes(saved, key, tmp_path):
    """One after another, and as the one model that isosearch composes of them."""
    space, path = saved
    arch = Arch.parse(key)
    x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        want = space.build(arch, exported=True)(x).numpy()
    assert compose(path, arch, x.numpy()) == pytest.approx(want, rel=1e-4, abs=1e-5)
    assert answer(isocost.compose(path, arch, tmp_path / "net.onnx"), x.numpy()) == pytest.approx(want, rel=1e-4, abs=1e-5)


def test_int8_files_are_near_and_not_equal(saved, tmp_path):
    space, path = saved
    arch = Arch.parse("block:1:int8|conv:int8|block:1:int8")
    x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        want = space.build(arch, exported=True)(x).numpy()
    got = compose(path, arch, x.numpy())
    assert 0 < abs(got - want).max() < 0.1 * abs(want).max() + 0.05
    # Composed, ONNX Runtime merges the conversions between neighbours: a step of a grid, at most.
    assert abs(answer(isocost.compose(path, arch, tmp_path / "net.onnx"), x.numpy()) - got).max() < 0.02 * abs(want).max()


def test_fake_quantisation_trains(saved):
    space, _ = saved
    torch.manual_seed(1)
    net = space.build(Arch.parse("block:1:int8|conv:int8|block:1:fp32"))
    x = torch.randn(8, 3, 16, 16)
    net(x).square().mean().backward()
    grads = {n: p.grad for n, p in net.named_parameters()}
    assert all(g is not None and g.abs().sum() > 0 for n, g in grads.items() if "bias" not in n)
    conv = net.layer1
    assert len(torch.unique(conv.weight[0])) <= 255 and not torch.equal(conv.weight, conv.parametrizations.weight.original)
    assert type(net.layer2.body[0]) is nn.Conv2d  # fp32 is left alone
    net.eval()
    assert torch.equal(net(x), net(x))  # the ranges stay


def test_weights_are_fresh_and_the_exported_ones_are_the_files(saved):
    space, _ = saved
    torch.manual_seed(1)
    a = space.build(space.default)
    b = space.build(space.default)
    assert not torch.equal(a.layer0.body[0].weight, b.layer0.body[0].weight)
    c, d = space.build(space.default, exported=True), space.build(space.default, exported=True)
    assert torch.equal(c.layer0.body[0].weight, d.layer0.body[0].weight)


def test_an_evaluator_builds(saved):
    space = make()

    @isocost.evaluator
    def train(arch, seed, fidelity):
        return sum(p.numel() for p in arch.build().parameters())

    small, large = (train(Arch.parse(f"block{w}:fp32|conv:fp32|block{w}:fp32"), 1) for w in ("", ":1"))
    assert 0 < small < large
    assert train.outcome(Arch.parse("block:fp32|conv:fp32|block:fp32"), 1).utility == small
    assert train.space is space
    with pytest.raises(IsocostError, match="isocost.Space"):
        Arch.parse("a").build()
    with pytest.raises(ValueError, match="no choice 'x'"):
        space.build(Arch.parse("x:fp32|conv:fp32|block:fp32"))


class Grows(nn.Module):
    """Its output's size depends on the data."""

    def forward(self, x):
        return x[:, :, : int((x > 0).sum()) % 3 + 1].repeat(1, 2, 1, 1)[:, :12]


class Inverts(nn.Module):
    """An operator that ONNX has not."""

    def forward(self, x):
        return torch.linalg.inv(x.mean(1, keepdim=True)[:, :, :4, :4] + 9 * torch.eye(4)).repeat(1, 12, 1, 1)


class Branches(nn.Module):
    def forward(self, x):
        return (x if bool((x > 0).any()) else -x)[:, :, ::2, ::2].repeat(1, 2, 1, 1)[:, :12]


@pytest.mark.parametrize(
    "last, want",
    [
        ({"choices": {"a": lambda w: Block(8, w, 2, 8)}}, r"layer 'layer2', choice 'a', width 16: it hands on \[16, 4, 4\], but layer 'layer2', choice 'a', width 8 hands on \[8, 4, 4\]"),
        ({"choices": {"a": lambda w: Block(4, 12, 2, w)}}, r"layer 'layer2', choice 'a', width 8: it does not take \[8, 8, 8\]"),
        ({"choices": {"a": lambda w: Block(8, 12, 2, w), "b": lambda w: nn.Conv2d(8, 8, 1)}}, r"layer 'layer2', choice 'b', width 8: it hands on \[8, 8, 8\]"),
        ({"choices": {"a": lambda w: Grows()}}, r"layer 'layer2', choice 'a', width 8.*(data|export)"),
        ({"choices": {"a": lambda w: Branches()}}, r"layer 'layer2', choice 'a', width 8, fp32: exported, it computes something else on negative inputs"),
        ({"choices": {"a": lambda w: Inverts()}}, r"layer 'layer2', choice 'a', width 8, fp32: it cannot be exported: .*linalg_inv"),
        ({"choices": {"a": lambda w: nn.MaxPool2d(2, return_indices=True)}}, r"layer 'layer2', choice 'a', width 8: it returns tuple, not one tensor"),
        ({"choices": {"a": lambda w: 1 / 0}}, r"layer 'layer2', choice 'a', width 8: it cannot be made: ZeroDivisionError"),
        ({"choices": {"a": lambda w: "x"}}, r"choice 'a', width 8: it cannot be made: IsocostError: a module's function returned str"),
        ({"skip": True}, r"layer 'layer2': skip=True, but it turns \[8, 8, 8\] into \[12, 4, 4\]"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, last, want):
    with pytest.raises(IsocostError, match=want):
        odd(**last).save(tmp_path / "s")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "last, want",
    [
        ({"widths": [16, 8]}, "not ascending"),
        ({"precisions": ["int4"]}, "precisions"),
        ({"choices": {}}, "no choices"),
        ({"choices": {"a b": nn.Identity()}}, "not a name"),
        ({"default": "x"}, "default 'x'"),
        ({"default": ("block", 9)}, "default width 9"),
        ({"choices": {"skip": nn.Identity()}, "skip": True}, "skip=True is a choice"),
        ({"name": "layer0"}, "duplicate"),
    ],
)
def test_declarations_are_checked(last, want):
    with pytest.raises(ValueError, match=want):
        make(**last)


def test_a_file_takes_any_batch(saved):
    """Alone, in int8 too; a module that does one sample alone is kept at that."""
    space, path = saved
    x = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(3)).numpy()
    for key in ("block:1:fp32|conv:fp32|block:1:fp32", "block:1:int8|conv:int8|block:int8"):
        whole = compose(path, Arch.parse(key), x)
        assert whole == pytest.approx(np.concatenate([compose(path, Arch.parse(key), x[i : i + 1]) for i in range(3)]), rel=1e-4, abs=1e-4)


class One(nn.Module):
    """Traced, it has the number of samples as a constant."""

    def forward(self, x):
        return x.reshape(int(x.shape[0]), 8, 64).mul(2).reshape(int(x.shape[0]), 8, 8, 8)[:, :, ::2, ::2].repeat(1, 2, 1, 1)[:, :12]


def test_a_module_of_one_sample_is_of_batch_1(tmp_path):
    import onnx

    path = odd(choices={"one": lambda: One(), "many": lambda: Block(8, 12, 2, 8)}, widths=[]).save(tmp_path / "s")
    batches = {c: onnx.load(path.parent / re.search(rf"{c}: {{fp32: (\S+)}}", path.read_text())[1]).graph.input[0].type.tensor_type.shape.dim[0] for c in ("one", "many")}
    assert batches["one"].dim_value == 1 and batches["many"].dim_param


def test_a_loop_declares_layers_of_its_variables():
    """Of a lambda, in a function and in a script: not of what the loop leaves behind."""
    script = """
space = isocost.Space("loop", input=(8, 4, 4))
for cout in (8, 12):
    space.layer({"a": lambda: nn.Conv2d(8, cout, later)})
later = 1
"""
    names = {"isocost": isocost, "nn": nn}
    exec(script, names)
    space = isocost.Space("loop", input=(8, 4, 4))
    for cout in (8, 12):
        space.layer({"a": lambda: nn.Conv2d(8, cout, 1)})
    for declared in (space, names["space"]):
        assert [layer.make("a", 0).out_channels for layer in declared.layers] == [8, 12]


def test_a_module_may_change_its_input(tmp_path):
    """It gets one of its own: neither what it is compared with nor the next choice sees the change."""
    path = odd(choices={"a": lambda w: nn.Sequential(nn.Hardswish(inplace=True), Block(8, 12, 2, w)), "b": lambda w: Block(8, 12, 2, w)}, precisions=["int8"]).save(tmp_path / "s")
    assert len(files(path)) == 1 + 4


def plain():
    """A space of what tflitefile converts."""
    torch.manual_seed(7)
    space = isocost.Space("lite", input=(3, 16, 16))
    space.stem(lambda: nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()))
    for _ in range(2):
        space.layer({"a": lambda w: nn.Sequential(nn.Conv2d(8, w, 1), nn.ReLU(), nn.Conv2d(w, 8, 3, 1, 1)), "b": lambda w: nn.Conv2d(8, 8, 3, 1, 1)}, widths=[8, 16], skip=True)
    space.head(lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)))
    return space


@pytest.mark.parametrize("first", [False, True])
def test_tflite_forms_are_one_network(tmp_path, first):
    """Converted once for each different module, checked, and composed to what the model computes."""
    import tflitefile

    space, asked = plain(), []

    def form(part):
        asked.append((part.name, part.choice, part.width, part.precision))
        return tflitefile.convert(part.module, part.samples.shape[1:], first)

    path = space.save(tmp_path / "s", tflite=form)
    # Both layers are the same, and b has no width.
    assert asked == [("stem", "", None, "fp32"), ("layer0", "a", 8, "fp32"), ("layer0", "a", 16, "fp32"), ("layer0", "b", 8, "fp32"), ("head", "", None, "fp32")]
    assert len(list((path.parent / "modules").glob("*.tflite"))) == 5
    x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    for key in ("a:1:fp32|b:fp32", "skip:fp32|a:fp32"):
        with torch.no_grad():
            want = space.build(Arch.parse(key), exported=True)(x).numpy().ravel()
        net = isocost.compose(path, key, tmp_path / "net.tflite")
        # The network has its channels last: what stood around a module has gone.
        assert tflitefile.run(net, x.permute(0, 2, 3, 1).numpy(), 4) == pytest.approx(want, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    "form, want",
    [
        (lambda part: b"no model", r'module "stem" .*not a valid .tflite model'),
        (lambda part: "nowhere.tflite", r"stem 'stem': its .tflite form: FileNotFoundError"),
        (lambda part: 1 / 0, r"stem 'stem': its .tflite form: ZeroDivisionError"),
        (lambda part: other(part, nn.Conv2d(8, 8, 3, 2, 1)), r'layer "layer0", choice "a", width 8, fp32 .*: it turns \[1 8 8 8\] into \[1 4 4 8\], the ONNX form \[8 8 8\] into \[8 8 8\]'),
    ],
)
def test_tflite_forms_that_do_not_fit_are_named(tmp_path, form, want):
    with pytest.raises(IsocostError, match=want):
        plain().save(tmp_path / "s", tflite=form)
    assert not list(tmp_path.iterdir())


def other(part, module):
    """The right form of all but choice a."""
    import tflitefile

    return tflitefile.convert(module if part.choice == "a" else part.module, part.samples.shape[1:])
