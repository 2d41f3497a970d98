"""From raw columns to those that a model with window features computes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball_runtime.manifest import ManifestInvalid
from flyball_runtime.schema import Schema
from flyball_runtime.windows import WindowKernel, WindowsInvalid, WindowSpec, window_features

__all__ = ["Windowed"]

Columns = Mapping[str, NDArray[Any]]
_FIX = "export the model again; a bundle's files are not meant to be edited"


class Windowed:
    """A bundle's window specification; `columns` are the graph's: raw ones and window features. Threads may share one."""

    def __init__(self, spec: WindowSpec, columns: Schema) -> None:
        self.spec = spec
        self.columns = columns

    @classmethod
    def of(cls, manifest: Mapping[str, Any], inputs: Schema) -> Windowed | None:
        """None for a model without window features. Raises ManifestInvalid."""
        raw = manifest["windows"]
        if raw is None:
            return None
        try:
            spec = WindowSpec.from_dict(raw, inputs, where="manifest.json")
            columns = Schema.from_list(raw["graph"])
        except (WindowsInvalid, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ManifestInvalid(
                "manifest.json: the window specification is none", why=str(error)[:300], fix=_FIX
            ) from error
        known = {**{field.name: field for field in inputs}, **{field.name: field for field in spec.fields}}
        unknown = [field.name for field in columns if known.get(field.name) != field]
        if unknown or "state" not in manifest["requires"]:
            why = f'"{unknown[0]}" is no input and no feature' if unknown else 'it does not require "state"'
            raise ManifestInvalid("manifest.json: the window specification does not fit the model", why=why, fix=_FIX)
        return cls(spec, columns)

    def kernel(self, state: bytes | None = None) -> WindowKernel:
        """A kernel that knows no row yet, or goes on from a state. Raises WindowStateInvalid."""
        return WindowKernel(self.spec, state)

    def of_table(self, columns: Columns) -> dict[str, NDArray[Any]]:
        """The graph's columns for the rows of a whole table."""
        return self.joined(columns, window_features(self.spec, columns))

    def joined(self, columns: Columns, features: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        """Raw columns and features (rows, features) side by side."""
        place = {name: position for position, name in enumerate(self.spec.names)}
        return {
            name: columns[name] if name not in place else np.ascontiguousarray(features[:, place[name]])
            for name in self.columns.names
        }
