"""The network: two blocks of our own in four layers, for scikit-learn's digits."""

import torch
from torch import nn

import isocost


def conv(cin: int, cout: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: bool = True) -> nn.Sequential:
    """A convolution, its normalisation and, unless it ends a block, an activation."""
    layers: list[nn.Module] = [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(cout)]
    return nn.Sequential(*layers, *[nn.ReLU()] * act)


class Inverted(nn.Module):
    """An inverted residual (Sandler et al. 2018) of width expanded channels."""

    def __init__(self, cin: int, cout: int, stride: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(cin, width), conv(width, width, 3, stride, groups=width), conv(width, cout, act=False))
        self.shortcut = stride == 1 and cin == cout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.shortcut else self.body(x)


class Ghost(nn.Module):
    """The same, but half of the expanded channels are a cheap function of the other half (Han et al. 2020), and its kernel is 5×5."""

    def __init__(self, cin: int, cout: int, stride: int, width: int) -> None:
        super().__init__()
        half = width // 2
        self.primary, self.cheap = conv(cin, half), conv(half, half, 3, groups=half)
        self.rest = nn.Sequential(conv(width, width, 5, stride, groups=width), conv(width, cout, act=False))
        self.shortcut = stride == 1 and cin == cout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        primary = self.primary(x)
        y = self.rest(torch.cat([primary, self.cheap(primary)], dim=1))
        return x + y if self.shortcut else y


space = isocost.Space("digits", input=(1, 20, 20))
space.stem(lambda: conv(1, 16, 3, 2))
for cin, cout, stride in [(16, 16, 1), (16, 24, 2), (24, 24, 1), (24, 24, 1)]:
    shape = (cin, cout, stride)
    space.layer(
        {"ghost": lambda w, s=shape: Ghost(*s, width=w), "inverted": lambda w, s=shape: Inverted(*s, width=w)},
        widths=[16, 32, 48], precisions=["fp32", "int8"], skip=stride == 1, default=("inverted", 32),
    )  # fmt: skip
space.head(lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10)))
