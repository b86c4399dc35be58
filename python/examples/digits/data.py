"""The data: 1,797 handwritten digits out of scikit-learn's package, 8×8, enlarged to 20×20."""

import torch
from sklearn.datasets import load_digits
from torch.nn import functional

TRAINING = 800  #: images to train on; the others judge

_digits = load_digits()
_x = functional.interpolate(torch.tensor(_digits.images, dtype=torch.float32)[:, None] / 8 - 1, size=(20, 20), mode="bilinear", align_corners=False)
_y = torch.tensor(_digits.target)
_order = torch.randperm(len(_x), generator=torch.Generator().manual_seed(0))

train_x, train_y = _x[_order[:TRAINING]], _y[_order[:TRAINING]]
judge_x, judge_y = _x[_order[TRAINING:]], _y[_order[TRAINING:]]
