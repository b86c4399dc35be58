"""An evaluator: trains a network from its seed, by itself."""

import torch
from data import judge_x, judge_y, train_x, train_y
from net import space
from torch.nn import functional

import isocost

EPOCHS, BATCH = 3, 32


@isocost.evaluator(space=space)
def train(arch: isocost.Arch, seed: int, fidelity: float) -> float:
    """The accuracy in percent on images it was not trained on."""
    torch.set_num_threads(1)
    net = arch.build().to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
    steps = max(1, round(EPOCHS * fidelity * len(train_x) / BATCH))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.1, total_steps=steps + 1)
    order = torch.cat([torch.randperm(len(train_x)) for _ in range(EPOCHS)])
    for batch in order.split(BATCH)[:steps]:
        optimiser.zero_grad()
        functional.cross_entropy(net(train_x[batch]), train_y[batch]).backward()
        optimiser.step()
        schedule.step()
    net.eval()
    with torch.no_grad():
        return 100 * (net(judge_x).argmax(1) == judge_y).float().mean().item()


if __name__ == "__main__":
    isocost.serve(train)
