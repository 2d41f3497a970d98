"""Disks of a chosen size and state; the fixture `small_disk` of the integration tests mounts them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["Mount"]

Mount = Callable[[str], Path]
