"""What the whole suite shares."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def machines_csv(repository: Path) -> Path:
    """The AI4I 2020 table."""
    return repository / "examples" / "ai4i2020.csv"
