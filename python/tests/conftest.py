"""What the tests share: the checkout's files and programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
# Programs that the tests start import the package as well.
os.environ["PYTHONPATH"] = str(ROOT / "python")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def vectors(root: Path) -> Path:
    """The files that Go's tests read too."""
    return root / "testdata" / "vectors"
