#!/usr/bin/env python3
"""Trains mobile networks for isosearch: an evaluator for --evaluator exec.

    isosearch run --space examples/digits/space.yaml --lut device.lut.json \\
        --evaluator "exec:python3 scripts/evaluators/torch_mbconv.py" --epsilon 0.02 -o run/

Reads one request a line and answers each by one line (docs: search/evaluator/exec.go):

    {"id":"7","arch":"…","layers":[{"choice":"mb_k3_e3","width":2,"precision":"fp32"},…],"seed":1,"fidelity":1}
    {"id":"7","utility":0.9713,"parts":{"loss":0.101}}

The network follows the request: a stem, one inverted-residual block a layer (mb_kK_eE: kernel K, expansion E;
skip: nothing), a head. The width index scales the block's expanded channels by --ratios, as the space file does.
int8 layers are trained with fake quantisation of weights and activations (straight-through), fp32 layers without.
Data: the 1,797 handwritten digits that scikit-learn ships; nothing is fetched. A seed fixes the split, the initial
weights and the order of the batches; equal requests get equal answers on one machine. Fidelity is the share of --epochs.
Utility is the accuracy on the part of the data that was held out.
"""

import argparse
import json
import re
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F


class FakeInt8(torch.autograd.Function):
    """Symmetric int8 rounding with a straight-through gradient (Bengio et al. 2013)."""

    @staticmethod
    def forward(ctx, x):
        scale = x.abs().amax().clamp(min=1e-8) / 127
        return (x / scale).round().clamp(-127, 127) * scale

    @staticmethod
    def backward(ctx, grad):
        return grad


class Conv(nn.Module):
    """Convolution, batch norm and, unless linear, relu6; int8 when asked for."""

    def __init__(self, cin, cout, k=1, stride=1, groups=1, linear=False, int8=False):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, k, stride, k // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(cout)
        self.linear, self.int8 = linear, int8

    def forward(self, x):
        w = self.conv.weight
        if self.int8:
            x, w = FakeInt8.apply(x), FakeInt8.apply(w)
        x = F.conv2d(x, w, None, self.conv.stride, self.conv.padding, 1, self.conv.groups)
        x = self.norm(x)
        return x if self.linear else F.relu6(x)


class MBConv(nn.Module):
    """Inverted residual (Sandler et al. 2018): expand, depthwise, project."""

    def __init__(self, cin, cout, mid, k, stride, int8):
        super().__init__()
        self.body = nn.Sequential(
            Conv(cin, mid, int8=int8),
            Conv(mid, mid, k, stride, groups=mid, int8=int8),
            Conv(mid, cout, linear=True, int8=int8),
        )
        self.residual = stride == 1 and cin == cout

    def forward(self, x):
        y = self.body(x)
        return x + y if self.residual else y


def rounded(v, divisor):
    """The nearest multiple of divisor, at least one of them."""
    return max(divisor, int(v / divisor + 0.5) * divisor)


def build(layers, args):
    """The network of a request; raises ValueError on what it does not know."""
    stages = [tuple(int(v) for v in s.split("x")) for s in args.stages.split(",")]
    plan = [(channels, stride if i == 0 else 1) for channels, stride, count in stages for i in range(count)]
    if len(plan) != len(layers):
        raise ValueError(f"{len(layers)} layers, but --stages {args.stages} has {len(plan)}")
    ratios = [float(r) for r in args.ratios.split(",")]
    cin = args.stem
    body = [Conv(1, cin, 3)]
    for i, (layer, (cout, stride)) in enumerate(zip(layers, plan)):
        if layer["choice"] == "skip":
            if stride != 1 or cin != cout:
                raise ValueError(f"layer {i} changes the shape and cannot be skipped")
            continue
        m = re.fullmatch(r"mb_k(\d+)_e(\d+)", layer["choice"])
        if not m:
            raise ValueError(f"layer {i}: choice {layer['choice']!r} is neither mb_kK_eE nor skip")
        mid = rounded(ratios[layer.get("width", 0)] * int(m[2]) * cin, args.divisor)
        body.append(MBConv(cin, cout, mid, int(m[1]), stride, layer.get("precision") == "int8"))
        cin = cout
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(cin, 10))


def train(request, data, args):
    """Accuracy and loss on the held-out part after training from the seed."""
    seed = request["seed"]
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    order = torch.from_numpy(rng.permutation(len(data[0])))
    held = int(len(order) * 0.4)
    test, fit = order[:held], order[held:]
    images, labels = (d.to(args.device) for d in data)
    net = build(request["layers"], args).to(args.device)
    epochs = max(1, round(args.epochs * request["fidelity"]))
    steps = epochs * ((len(fit) + args.batch - 1) // args.batch)
    optimiser = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=0.9, weight_decay=1e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, args.lr, total_steps=steps)
    net.train()
    for _ in range(epochs):
        shuffled = fit[torch.from_numpy(rng.permutation(len(fit)))]
        for part in shuffled.split(args.batch):
            optimiser.zero_grad(set_to_none=True)
            F.cross_entropy(net(images[part]), labels[part]).backward()
            optimiser.step()
            schedule.step()
    net.eval()
    with torch.no_grad():
        out = net(images[test])
        accuracy = (out.argmax(1) == labels[test]).double().mean().item()
        return accuracy, F.cross_entropy(out, labels[test]).item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stages", default="16x1x2,24x2x2", help="CHANNELSxSTRIDExLAYERS of every stage, as the space has them")
    parser.add_argument("--stem", type=int, default=8, help="channels of the stem")
    parser.add_argument("--ratios", default="0.5,0.75,1,1.25,1.5", help="the space's width grid")
    parser.add_argument("--divisor", type=int, default=8, help="the space's width divisor")
    parser.add_argument("--epochs", type=int, default=6, help="at fidelity 1")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.15)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)  # workers run beside each other
    torch.use_deterministic_algorithms(True, warn_only=True)
    digits = load_digits()
    data = (torch.from_numpy(digits.images).float().div(16).unsqueeze(1), torch.from_numpy(digits.target).long())
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"id": request["id"]}
        try:
            accuracy, loss = train(request, data, args)
            answer.update(utility=accuracy, parts={"loss": loss})
        except ValueError as err:
            answer["error"] = str(err)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
