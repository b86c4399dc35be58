"""Expected costs of relaxed architectures, for searches by gradients."""

from __future__ import annotations

import os
from typing import Sequence

import torch
from torch import nn

from .arch import Arch
from .tensor import Calibration, Part, Tensor, price_tensor

__all__ = ["ExpectedCost"]

Probabilities = Sequence[torch.Tensor]


class ExpectedCost(nn.Module):
    """The cost of a relaxed architecture by audited tables, differentiable.

    In DARTS, ProxylessNAS and FBNet every layer has probabilities of its choices. With layers
    independent, the expectation of the sum of kernels is exact, switches of precision between
    neighbours included: how the tensor between two parts lies is a Markov chain. Tables that
    are calibrated turn that expected sum into a cost, so between the corners the result is the
    calibrated expected sum; at a corner it is ``isosearch price`` to rounding (1e-9 is tested).

        cost = isocost.ExpectedCost("space.yaml", "device.lut.json")
        loss = error + 0.1 * cost([a.softmax(-1) for a in alphas]) / budget

    space: a space file; table: one or several of compiled tables, ``space:flops``, ``space:params``;
    or tensor, what ``isosearch price --tensor`` wrote. Computes in float64.
    """

    def __init__(
        self,
        space: str | os.PathLike[str] | None = None,
        table: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
        *,
        tensor: Tensor | str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        if tensor is None:
            if space is None or table is None:
                raise TypeError("ExpectedCost takes a space and a table, or tensor=")
            tensor = price_tensor(space, [table] if isinstance(table, (str, os.PathLike)) else table)
        self.tensor = tensor if isinstance(tensor, Tensor) else Tensor(tensor)
        self.tables = self.tensor.tables
        self.units = self.tensor.units
        for g, grid in enumerate(self.tensor.grids):
            for i, part in enumerate(grid):
                for name, array in (("own", part.own), ("between", part.between), ("kernels", part.kernels), ("next", part.next)):
                    # What no architecture comes to has probability 0, and 0·NaN is none.
                    self.register_buffer(f"{name}_{g}_{i}", torch.as_tensor(array).nan_to_num(), persistent=False)

    def forward(self, choices: Probabilities, widths: Probabilities | None = None, precisions: Probabilities | None = None) -> torch.Tensor:
        """The expected cost per table, shape (tables,); a scalar where there is one.

        choices: per layer its choices' probabilities, shape (choices,), or those of all its settings,
        (choices, widths, precisions). widths, precisions: likewise, (widths,) and (precisions,);
        left out, those of the space's default. Under a global width the first layer's counts.
        """
        joint = self._joint(choices, widths, precisions)
        if not self.tensor.global_width:
            return self._cost(0, joint)
        total: torch.Tensor | None = None
        for g in range(len(self.tensor.grids)):
            p = joint[0][:, g, :].sum()
            # Each layer given the width.
            given = [x[:, g : g + 1, :] / x[:, g, :].sum().clamp_min(1e-300) for x in joint]
            term = p * self._cost(g, given)
            total = term if total is None else total + term
        assert total is not None
        return total

    def corner(self, arch: Arch | str) -> torch.Tensor:
        """The cost of one architecture: that of ``isosearch price``."""
        joint = []
        for (c, w, p), layer in zip(self.tensor.indices(arch), self.tensor.layers):
            x = torch.zeros(len(layer.choices), len(layer.widths), len(layer.precisions), dtype=torch.float64)
            x[c, w, p] = 1
            joint.append(x)
        return self(joint)

    def _joint(self, choices: Probabilities, widths: Probabilities | None, precisions: Probabilities | None) -> list[torch.Tensor]:
        """Per layer the probabilities of (choice, width, precision)."""
        out = []
        for name, given in (("choices", choices), ("widths", widths), ("precisions", precisions)):
            if given is not None and len(given) != len(self.tensor.layers):
                raise ValueError(f"{len(given)} {name} for {len(self.tensor.layers)} layers")
        for n, layer in enumerate(self.tensor.layers):
            c = choices[n].to(torch.float64)
            full = (len(layer.choices), len(layer.widths), len(layer.precisions))
            if c.shape == full:
                out.append(c)
                continue
            axes = [c]
            for axis, given in ((1, widths), (2, precisions)):
                if given is not None:
                    axes.append(given[n].to(torch.float64))
                else:
                    one = torch.zeros(full[axis], dtype=torch.float64, device=c.device)
                    one[layer.default[axis]] = 1
                    axes.append(one)
            if tuple(len(a) if a.dim() == 1 else -1 for a in axes) != full:
                raise ValueError(f"layer {n}: probabilities of shapes {[tuple(a.shape) for a in axes]}, but it has {full[0]} choices, {full[1]} widths and {full[2]} precisions")
            out.append(axes[0][:, None, None] * axes[1][None, :, None] * axes[2][None, None, :])
        return out

    def _cost(self, g: int, joint: list[torch.Tensor]) -> torch.Tensor:
        states = len(self.tensor.states)
        device = joint[0].device
        state = torch.zeros(states, dtype=torch.float64, device=device)
        state[0] = 1
        sums = torch.zeros(len(self.tables), dtype=torch.float64, device=device)
        kernels = torch.zeros((), dtype=torch.float64, device=device)
        one = torch.ones(1, 1, 1, dtype=torch.float64, device=device)
        for i, part in enumerate(self.tensor.grids[g]):
            p = joint[part.layer] if part.layer >= 0 else one
            own, between = getattr(self, f"own_{g}_{i}"), getattr(self, f"between_{g}_{i}")
            here = state[:, None, None, None] * p  # probability of state and setting
            # A part's own cost, unless it is skipped, does not depend on the state.
            sums = sums + (own * p).sum(dim=(1, 2, 3)) + (between * here).sum(dim=(1, 2, 3, 4))
            kernels = kernels + (getattr(self, f"kernels_{g}_{i}") * here).sum()
            state = self._after(part, getattr(self, f"next_{g}_{i}"), here, states)
        costs = [_calibrated(c, s, kernels) for c, s in zip(self.tensor.calibrations, sums)]
        return costs[0] if len(costs) == 1 else torch.stack(costs)

    @staticmethod
    def _after(part: Part, after: torch.Tensor, here: torch.Tensor, states: int) -> torch.Tensor:
        """The states' probabilities after a part."""
        out = torch.zeros(states, dtype=torch.float64, device=here.device)
        return out.index_add(0, after.clamp_min(0).flatten(), here.flatten())


def _calibrated(c: Calibration, total: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """What lut.Table.Calibrate makes of a sum: in the curve, linear between its points and in proportion outside."""
    total = total + c.overhead
    rest = c.b + c.c * kernels
    y = c.a * total + rest
    if c.sum_lo > 0 and rest.item() < 0 and total.item() < c.sum_lo:
        y = torch.maximum(c.a * c.sum_lo + rest, torch.as_tensor(c.a * c.sum_lo / 2, dtype=torch.float64, device=total.device)) * total / c.sum_lo
    if len(c.curve) == 0:
        return y
    xs, ys = c.curve[:, 0], c.curve[:, 1]
    at = y.item()
    if at <= xs[0]:
        return y * float(ys[0] / xs[0])
    if at >= xs[-1]:
        return y * float(ys[-1] / xs[-1])
    i = int(xs.searchsorted(at))
    return float(ys[i - 1]) + float(ys[i] - ys[i - 1]) * (y - float(xs[i - 1])) / float(xs[i] - xs[i - 1])
