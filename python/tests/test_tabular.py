"""Tabular benchmarks out of frames, searched by isosearch."""

import json

import pandas as pd
import pytest

import isocost
from isocost import IsocostError, ProgramError


def frame() -> pd.DataFrame:
    """Three layers of two choices, 24 trainings each; the second choice is better and costs 1 % more."""
    rows = []
    for n in range(8):
        choices = [n >> i & 1 for i in range(3)]
        for i in range(24):
            noise = ((n * 7 + i * 13) % 11 - 5) / 50
            rows.append({"l0": choices[0], "l1": choices[1], "l2": choices[2], "accuracy": 90 + sum(choices) + noise, "us": 100 + sum(choices)})
    return pd.DataFrame(rows)


def test_a_frame_is_searched(tmp_path):
    table = isocost.tabular(frame(), tmp_path / "t.jsonl", layers=["l0", "l1", "l2"], utility="accuracy", cost=["us"], name="toy")
    first = json.loads(table.read_text().splitlines()[1])
    assert first["arch"] == "0|0|0" and len(first["utility"]) == 24 and first["cost"] == {"us": 100}
    run = isocost.search(table, "space:us", f"table:{table}", tmp_path / "run", epsilon=0.3, talk=False)
    assert run.reached and run.best.key == "1|1|1"
    assert "every number recomputed" in run.verify()
    # Once more: the search has ended, nothing is asked again.
    n = len(run.evaluations())
    assert len(isocost.search(table, "space:us", f"table:{table}", tmp_path / "run", epsilon=0.3, talk=False).evaluations()) == n


def test_lists_and_several_columns(tmp_path):
    rows = [{"arch": "a|b", "u": [1.0, 2.0], "v": 3.0, "ms": 5.0}, {"arch": "a|c", "u": [4.0], "v": 5.0, "ms": float("nan")}]
    table = isocost.tabular(rows, tmp_path / "t.jsonl", utility=["u", "v"])
    assert [json.loads(line) for line in table.read_text().splitlines()[1:]] == [{"arch": "a|b", "utility": [1.0, 2.0, 3.0]}, {"arch": "a|c", "utility": [4.0, 5.0]}]


@pytest.mark.parametrize(
    "rows, options, want",
    [
        ([{"arch": "a", "utility": 1.0}], {"arch": "x"}, "row 0 has no column 'x'"),
        ([{"arch": "a", "utility": "good"}], {}, "row 0, column 'utility': 'good'"),
        ([{"arch": "a", "utility": float("nan")}], {}, "row 0, column 'utility': nan"),
        ([{"arch": "a", "utility": 1, "us": 1}, {"arch": "a", "utility": 1, "us": 2}], {"cost": ["us"]}, "row 1, column 'us': 2"),
        ([{"l": "a b", "utility": 1}], {"layers": ["l"]}, "'a b' is not a name"),
        ([], {}, "no rows"),
    ],
)
def test_bad_rows_name_row_and_column(tmp_path, rows, options, want):
    with pytest.raises(IsocostError, match=want.replace("(", r"\(")):
        isocost.tabular(rows, tmp_path / "t.jsonl", **options)
    assert not list(tmp_path.iterdir())


def test_what_isosearch_refuses_is_not_left_behind(tmp_path):
    with pytest.raises(ProgramError, match="not positive"):
        isocost.tabular([{"arch": "a", "utility": 1, "us": -1}], tmp_path / "t.jsonl", cost=["us"])
    assert not list(tmp_path.iterdir())
