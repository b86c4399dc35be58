"""Another evaluator: all networks of the space at once, with weights they share."""

import copy
import sys
from pathlib import Path

import torch
from data import judge_x, judge_y, train_x, train_y
from net import space
from torch import nn
from torch.nn import functional

import isocost
from isocost.fakequant import fake_quantised

STEPS, BATCH = 1200, 32


class Supernet(nn.Module):
    """One path is a network (Guo et al. 2020): a layer's choices and widths have weights of their own, its precisions share them."""

    def __init__(self, space: isocost.Space) -> None:
        super().__init__()
        self.space = space
        self.stem = nn.Sequential(*[f.make() for f in space.stems])
        self.head = nn.Sequential(*[f.make() for f in space.heads])
        self.paths = nn.ModuleDict()
        for n, layer in enumerate(space.layers):
            for choice in layer.choices:
                for width in range(len(layer.widths)):
                    plain = layer.make(choice, width)
                    # The copy has the same parameters, and statistics of its own.
                    shared = {id(p): p for p in plain.parameters()}
                    quantised = fake_quantised(copy.deepcopy(plain, shared))
                    self.paths[f"{n}:{choice}:{width}"] = nn.ModuleDict({"fp32": plain, "int8": quantised})

    def path(self, arch: isocost.Arch) -> nn.Module:
        """The network of an architecture, of the shared weights."""
        layers = [self.paths[f"{n}:{x.choice}:{x.width}"][x.precision] for n, x in enumerate(arch.layers) if x.choice != "skip"]
        return nn.Sequential(self.stem, *layers, self.head)

    def some(self, generator: torch.Generator) -> isocost.Arch:
        """A random architecture."""

        def one(n: int) -> int:
            return int(torch.randint(n, (), generator=generator))

        layers = []
        for x in self.space.layers:
            choices = [*x.choices, *["skip"] * x.skip]
            layers.append(isocost.Layer(choices[one(len(choices))], one(len(x.widths)), x.precisions[one(len(x.precisions))]))
        return isocost.Arch.of(tuple(layers))


def fit(path: Path) -> None:
    """Trains the supernet, a random network per step, and writes its weights."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    net = Supernet(space).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        batch = torch.randint(len(train_x), (BATCH,), generator=generator)
        optimiser.zero_grad()
        functional.cross_entropy(net.path(net.some(generator))(train_x[batch]), train_y[batch]).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5)
        optimiser.step()
        schedule.step()
    torch.save(net.state_dict(), path)


def logits(net: Supernet, arch: isocost.Arch) -> torch.Tensor:
    """What a network says of the images that judge, after its statistics were taken anew: those of training are of all networks (Yu and Huang 2019)."""
    path = net.path(arch)
    for m in path.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.reset_running_stats()
            m.momentum = None
    with torch.no_grad():
        path.train()(train_x[:500])
        return path.eval()(judge_x)


if __name__ == "__main__":
    weights = Path(sys.argv[1])
    torch.set_num_threads(1)
    net = Supernet(space)
    net.load_state_dict(torch.load(weights))
    right: dict[str, torch.Tensor] = {}  # by architecture, which images it gets right

    @isocost.evaluator(space=space)
    def score(arch: isocost.Arch, seed: int, fidelity: float) -> float:
        """The accuracy in percent on images drawn with replacement; fidelity is the share of them."""
        if arch.key not in right:
            right[arch.key] = (logits(net, arch).argmax(1) == judge_y).float()
        drawn = torch.randint(len(judge_y), (max(1, round(fidelity * len(judge_y))),))
        return 100 * right[arch.key][drawn].mean().item()

    isocost.serve(score)
