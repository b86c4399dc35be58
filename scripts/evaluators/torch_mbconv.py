#!/usr/bin/env python3
"""Trains mobile networks for isosearch: an evaluator for --evaluator exec.

    isosearch run --space examples/digits/space.yaml --lut device.lut.json \\
        --evaluator "exec:python3 scripts/evaluators/torch_mbconv.py" --epsilon 0.02 -o run/

Reads one request a line and answers each by one line (docs: search/evaluator/exec.go):

    {"id":"7","arch":"…","layers":[{"choice":"mb_k3_e3","width":2,"precision":"fp32"},…],"seed":1,"fidelity":1}
    {"id":"7","utility":0.9713,"parts":{"loss":0.101}}

The network follows the request: a stem, one block per layer (mb_kK_eE: inverted residual of kernel K and expansion E;
fused_kK_eE: its k×k fused form; enc_hH_wW: transformer encoder of H heads, in windows of side W where given, of a
map's pixels in a stage that convolves; skip: nothing), a head. The width index scales the block's expanded channels by --ratios, as the space file does.
int8 layers are trained with fake quantisation of weights and activations (straight-through), fp32 layers without.
Data is what scikit-learn ships, nothing is fetched: its 1,797 handwritten digits, or as many patches of its two
photographs, 8×8 in grey, to be told from which half of which photograph. A seed fixes the split, the initial weights
and the order of the batches; equal requests get equal answers on one machine. Fidelity is the share of --epochs.
Utility is the accuracy on the part of the data that was held out.
"""

import argparse
import json
import re
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits, load_sample_images
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


class FusedMBConv(nn.Module):
    """Inverted residual whose expansion and depthwise convolution are one convolution (Gupta & Akin 2020)."""

    def __init__(self, cin, cout, mid, k, stride, int8):
        super().__init__()
        self.body = nn.Sequential(Conv(cin, mid, k, stride, int8=int8), Conv(mid, cout, linear=True, int8=int8))
        self.residual = stride == 1 and cin == cout

    def forward(self, x):
        y = self.body(x)
        return x + y if self.residual else y


class Linear(nn.Linear):
    """A linear layer; int8 when asked for."""

    def __init__(self, cin, cout, int8=False):
        super().__init__(cin, cout)
        self.int8 = int8

    def forward(self, x):
        if not self.int8:
            return super().forward(x)
        return F.linear(FakeInt8.apply(x), FakeInt8.apply(self.weight), self.bias)


class Encoder(nn.Module):
    """Pre-norm transformer encoder (Dosovitskiy et al. 2021) over a square of tokens, windows without shift (Liu et al. 2021)."""

    def __init__(self, dim, mid, heads, win, int8):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.proj = Linear(dim, 3 * dim, int8), Linear(dim, dim, int8)
        self.mlp = nn.Sequential(Linear(dim, mid, int8), nn.GELU(), Linear(mid, dim, int8))
        self.heads, self.win = heads, win

    def attend(self, x):
        n, tokens, dim = x.shape
        q, k, v = self.qkv(x).view(n, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, dim))

    def forward(self, x):
        n, tokens, dim = x.shape
        y = self.norm1(x)
        if self.win:
            side, win = int(tokens**0.5), self.win
            cut = side // win
            y = y.view(n, cut, win, cut, win, dim).transpose(2, 3).reshape(n * cut * cut, win * win, dim)
            y = self.attend(y).view(n, cut, cut, win, win, dim).transpose(2, 3).reshape(n, tokens, dim)
        else:
            y = self.attend(y)
        x = x + y
        return x + self.mlp(self.norm2(x))


class Tokens(nn.Module):
    """A map as a sequence of tokens, its pixels."""

    def forward(self, x):
        return x.flatten(2).transpose(1, 2)


class MapEncoder(Encoder):
    """An encoder of a map's pixels, which comes and goes as convolutions want it."""

    def forward(self, x):
        return super().forward(x.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, x.shape[2:])


class Mean(nn.Module):
    """The mean token."""

    def forward(self, x):
        return x.mean(1)


def rounded(v, divisor):
    """The nearest multiple of divisor, at least one of them."""
    return max(divisor, int(v / divisor + 0.5) * divisor)


def build(layers, args):
    """The network of a request; raises ValueError on what it does not know."""
    stages = [tuple(int(v) for v in s.split("x")) for s in args.stages.split(",")]
    plan = [(channels, stride if i == 0 else 1) for channels, stride, count in stages for i in range(count)]
    dim, encoders = (int(v) for v in args.encoders.split("x")) if args.encoders else (0, 0)
    if len(plan) + encoders != len(layers):
        raise ValueError(f"{len(layers)} layers, but --stages {args.stages} --encoders {args.encoders} has {len(plan) + encoders}")
    cin = args.stem
    body = [Conv(1, cin, 3)]
    for i, (layer, (cout, stride)) in enumerate(zip(layers, plan)):
        if layer["choice"] == "skip":
            if stride != 1 or cin != cout:
                raise ValueError(f"layer {i} changes the shape and cannot be skipped")
            continue
        if m := re.fullmatch(ENCODER, layer["choice"]):
            if stride != 1 or cin != cout:
                raise ValueError(f"layer {i} changes the shape and cannot attend")
            body.append(encoder(MapEncoder, layer, cout, m, args))
            continue
        m = re.fullmatch(r"(mb|fused)_k(\d+)_e(\d+)", layer["choice"])
        if not m:
            raise ValueError(f"layer {i}: choice {layer['choice']!r} is none of mb_kK_eE, fused_kK_eE, enc_hH_wW, skip")
        block = {"mb": MBConv, "fused": FusedMBConv}[m[1]]
        body.append(block(cin, cout, expanded(layer, int(m[3]) * cin, args), int(m[2]), stride, layer.get("precision") == "int8"))
        cin = cout
    if not encoders:
        return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(cin, 10))
    body += [nn.Conv2d(cin, dim, 1), Tokens()]
    for i, layer in enumerate(layers[len(plan) :], len(plan)):
        if layer["choice"] == "skip":
            continue
        m = re.fullmatch(ENCODER, layer["choice"])
        if not m:
            raise ValueError(f"layer {i}: choice {layer['choice']!r} is neither enc_hH_wW nor skip")
        body.append(encoder(Encoder, layer, dim, m, args))
    return nn.Sequential(*body, nn.LayerNorm(dim), Mean(), nn.Linear(dim, 10))


ENCODER = r"enc_h(\d+)(?:_w(\d+))?"


def encoder(kind, layer, dim, choice, args):
    """The encoder that a choice says."""
    return kind(dim, expanded(layer, args.mlp * dim, args), int(choice[1]), int(choice[2] or 0), layer.get("precision") == "int8")


def expanded(layer, full, args):
    """The expanded channels of a layer: its width's share of full."""
    ratios = [float(r) for r in args.ratios.split(",")]
    return rounded(ratios[layer.get("width", 0)] * full, args.divisor)


def load(name):
    """Images and labels of a data set."""
    if name == "digits":
        digits = load_digits()
        images, labels = digits.images.astype(np.float32) / 16, digits.target
    else:
        images, labels = photographs()
    return torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels).long()


def photographs(size=8, halves=2, count=1800):
    """Patches that do not overlap, as many of each half of each photograph."""
    rng, images, labels = np.random.default_rng(0), [], []
    grey = [image.astype(np.float32).mean(2) / 255 for image in load_sample_images().images]
    regions = [half for image in grey for half in np.array_split(image, halves, axis=1)]
    for label, region in enumerate(regions):
        h, w = (side // size for side in region.shape)
        patches = region[: h * size, : w * size].reshape(h, size, w, size).swapaxes(1, 2).reshape(-1, size, size)
        images.append(patches[rng.permutation(len(patches))[: count // len(regions)]])
        labels += [label] * len(images[-1])
    return np.concatenate(images), np.array(labels)


def train(request, data, args):
    """Accuracy and loss on the held-out part after training from the seed."""
    seed = request["seed"]
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    order = torch.from_numpy(rng.permutation(len(data[0])))
    held = len(order) - args.fit if args.fit else int(len(order) * 0.4)
    test, fit = order[:held], order[held:]
    images, labels = (d.to(args.device) for d in data)
    # Channels last: depthwise convolutions take half the time on CPUs.
    net = build(request["layers"], args).to(args.device, memory_format=torch.channels_last)
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


def options(argv=None):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=["digits", "photographs"], default="digits")
    parser.add_argument("--fit", type=int, default=0, help="images to train on (default: 60 %%); the others judge")
    parser.add_argument("--stages", default="16x1x2,24x2x2", help="CHANNELSxSTRIDExLAYERS of every stage, as the space has them")
    parser.add_argument("--encoders", default="", help="DIMxLAYERS of encoders after the stages, as the space has them")
    parser.add_argument("--mlp", type=int, default=2, help="expansion of an encoder's MLP")
    parser.add_argument("--stem", type=int, default=8, help="channels of the stem")
    parser.add_argument("--ratios", default="0.5,0.75,1,1.25,1.5", help="the space's width grid")
    parser.add_argument("--divisor", type=int, default=8, help="the space's width divisor")
    parser.add_argument("--epochs", type=int, default=6, help="at fidelity 1")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.15)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args(argv)


def main():
    args = options()
    torch.set_num_threads(1)  # workers run beside each other
    torch.use_deterministic_algorithms(True, warn_only=True)
    data = load(args.data)
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
