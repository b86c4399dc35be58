"""Isotonic regression by scikit-learn, and the projection on a partial order by two public solvers of quadratic programs."""

import numpy as np
import osqp
import quadprog
import scipy.sparse as sparse
from clock import once
from sklearn.isotonic import isotonic_regression

held = {}


def line(n, values, weights, result):
    """Writes n noisy values that rise on the whole, their weights and scikit-learn's result."""
    rng = np.random.default_rng(1)
    n = int(n)
    y = np.sqrt(np.arange(n)) + 20 * rng.standard_normal(n)
    w = rng.uniform(0.5, 2, n)
    y.tofile(values), w.tofile(weights)
    s, x = once(lambda: isotonic_regression(y, sample_weight=w))
    x.tofile(result)
    return {"s": s}


def cube(side):
    """Noisy values on a cube of points, their weights, and the pairs that cover each other."""
    rng = np.random.default_rng(2)
    at = np.indices((side, side, side)).reshape(3, -1)
    y = (1 + at).prod(axis=0) ** 0.5 + rng.standard_normal(side**3)
    w = rng.uniform(0.5, 2, side**3)
    low, high = [], []
    for d, step in enumerate((side * side, side, 1)):
        inside = np.flatnonzero(at[d] < side - 1)
        low.append(inside), high.append(inside + step)
    return y, w, np.concatenate(low), np.concatenate(high)


def cube_osqp(side, values, weights, result):
    y, w, low, high = cube(int(side))
    y.tofile(values), w.tofile(weights)
    n, m = len(y), len(low)
    rows = np.arange(m)
    rises = sparse.csc_matrix((np.r_[np.ones(m), -np.ones(m)], (np.r_[rows, rows], np.r_[high, low])), shape=(m, n))

    def solve():
        problem = osqp.OSQP()
        problem.setup(sparse.diags(w, format="csc"), -w * y, rises, np.zeros(m), np.full(m, np.inf), verbose=False, eps_abs=1e-6,
                      eps_rel=1e-6, max_iter=100000, polishing=True)
        return problem.solve()

    s, solved = once(solve)
    solved.x.tofile(result)
    return {"s": s, "status": solved.info.status}


def cube_quadprog(side, values, weights, result):
    y, w, low, high = cube(int(side))
    y.tofile(values), w.tofile(weights)
    n, m = len(y), len(low)
    rises = np.zeros((n, m))
    rises[high, np.arange(m)], rises[low, np.arange(m)] = 1, -1
    s, solved = once(lambda: quadprog.solve_qp(np.diag(w), w * y, rises, np.zeros(m)))
    solved[0].tofile(result)
    return {"s": s}


ASKED = {"line": line, "cube-osqp": cube_osqp, "cube-quadprog": cube_quadprog}
