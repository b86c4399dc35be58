"""Writes internal/isotonic/testdata/sklearn.json: reference values of weighted
isotonic regression by scikit-learn.

    pip install scikit-learn==1.9.1 numpy
    python scripts/isotonic-vectors.py > internal/isotonic/testdata/sklearn.json
"""

import json

import numpy as np
import sklearn
from sklearn.isotonic import IsotonicRegression

rng = np.random.default_rng(20240607)
cases = []
for n in [1, 2, 3, 5, 8, 13, 21, 34, 55, 89]:
    for kind in range(3):
        y = rng.normal(size=n) + [0.0, 0.1, -0.1][kind] * np.arange(n)
        if kind == 1:
            y = np.round(y, 1)  # ties
        w = rng.uniform(0.1, 5.0, size=n) if kind else np.ones(n)
        x = IsotonicRegression().fit_transform(np.arange(n), y, sample_weight=w)
        cases.append({"Y": y.tolist(), "W": w.tolist(), "X": np.asarray(x, float).tolist()})
print(json.dumps({
    "Command": "python scripts/isotonic-vectors.py > internal/isotonic/testdata/sklearn.json",
    "Version": sklearn.__version__,
    "Cases": cases,
}))
