"""Fake int8 quantisation for training (Jacob et al. 2018)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

__all__ = ["fake_quantised"]


class _Round(torch.autograd.Function):
    """Rounding whose gradient is passed straight through (Bengio et al. 2013)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return grad


def _round(x: torch.Tensor) -> torch.Tensor:
    out: torch.Tensor = _Round.apply(x)  # type: ignore[no-untyped-call]
    return out


class WeightQuant(nn.Module):
    """Symmetric int8 per output channel, as onnxruntime quantises weights."""

    def forward(self, w: torch.Tensor) -> torch.Tensor:
        scale = w.detach().abs().flatten(1).amax(1).clamp_min(1e-8).div(127).reshape(-1, *[1] * (w.dim() - 1))
        return _round(w / scale).clamp(-127, 127) * scale


class InputQuant(nn.Module):
    """Asymmetric 8 bits over a running range, which training moves and evaluation keeps."""

    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("low", torch.tensor(float("nan")))
        self.register_buffer("high", torch.tensor(float("nan")))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training or bool(self.low.isnan()):
            low, high = x.detach().amin().clamp_max(0), x.detach().amax().clamp_min(0)
            if not bool(self.low.isnan()):
                low, high = torch.lerp(self.low, low, self.momentum), torch.lerp(self.high, high, self.momentum)
            self.low, self.high = low, high
        scale = ((self.high - self.low) / 255).clamp_min(1e-8)
        zero = (-self.low / scale).round()
        return (_round(x / scale + zero).clamp(0, 255) - zero) * scale


def fake_quantised(module: nn.Module) -> nn.Module:
    """The module with its convolutions and linear layers fed and weighed in 8 bits."""
    for m in list(module.modules()):
        if isinstance(m, (nn.modules.conv._ConvNd, nn.Linear)):
            parametrize.register_parametrization(m, "weight", WeightQuant())
            m.add_module("input_quant", InputQuant())
            m.register_forward_pre_hook(_feed)
    return module


def _feed(m: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    quant = m.input_quant
    assert isinstance(quant, InputQuant)
    return (quant(args[0]), *args[1:])
