"""A stream of rows through one bundle, with the state that a restart must not lose."""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from flyball_runtime.errors import BadInput
from flyball_runtime.table import normalise, read_columns
from flyball_runtime.windows import WindowKernel, WindowStateInvalid

if TYPE_CHECKING:
    from flyball_runtime.bundle import Bundle

__all__ = ["Session", "StateInvalid"]

_FORMAT = 1


class StateInvalid(BadInput):
    """A session's saved state is damaged, of a later version, or belongs to another model."""

    code = "FB-SESSION-001"


class Session:
    """Scores rows as they come. A model without windows carries nothing from one push to the next but a count.

    A model with window features answers each row from the past of its entity as it came so far; see `WindowKernel` for
    late and repeated rows. Threads may share a session; pushes then happen one after the other, in the order in which
    they arrive.
    """

    def __init__(self, bundle: Bundle, state: bytes | None = None) -> None:
        """state: what `.state()` gave, for the same content hash. Raises StateInvalid."""
        self._bundle = bundle
        self._lock = threading.Lock()
        self._rows, carried = (0, None) if state is None else _read(state, bundle.content_hash)
        self._kernel: WindowKernel | None = None
        if bundle.windowed is not None:
            try:
                self._kernel = bundle.windowed.kernel(carried)
            except WindowStateInvalid as error:
                raise StateInvalid("the session's state is damaged", why=error.what, fix=_FIX) from error

    @property
    def rows(self) -> int:
        """How many rows have been pushed, before and since the state was restored."""
        return self._rows

    @property
    def counts(self) -> dict[str, int]:
        """How many rows came, and of these were late, repeated or unplaced (without a moment or an entity)."""
        with self._lock:
            if self._kernel is not None:
                return self._kernel.counts
            return {"rows": self._rows, "late": 0, "repeated": 0, "unplaced": 0}

    def push(self, rows: Any, *, margin: bool = False) -> dict[str, NDArray[Any]]:
        """Outputs for these rows, as `Bundle.score` gives them; rows that are refused leave the state as it was."""
        with self._lock:
            outputs = self._bundle.score(rows, margin=margin) if self._kernel is None else self._scored(rows, margin)
            self._rows += len(outputs["prediction"])
            return outputs

    def _scored(self, rows: Any, margin: bool) -> dict[str, NDArray[Any]]:
        bundle, kernel = self._bundle, self._kernel
        assert kernel is not None
        assert bundle.windowed is not None
        columns = normalise(read_columns(rows), bundle.inputs)
        features = kernel.push(columns)
        try:
            return bundle.scorer.score(bundle.windowed.joined(columns, features), margin=margin)
        except BaseException:
            kernel.undo()
            raise

    def state(self) -> bytes:
        """Everything that a later session needs to go on from here, as JSON; the windows' part as base64 of an npz."""
        with self._lock:
            document: dict[str, Any] = {
                "format": _FORMAT, "content_hash": self._bundle.content_hash, "rows": self._rows
            }  # fmt: skip
            if self._kernel is not None:
                document["windows"] = base64.b64encode(self._kernel.state()).decode()
        return json.dumps(document, sort_keys=True).encode()


def _read(state: bytes, content_hash: str) -> tuple[int, bytes | None]:
    try:
        document = json.loads(state)
        version, owner, rows = document["format"], document["content_hash"], document["rows"]
        carried = base64.b64decode(document["windows"], validate=True) if "windows" in document else None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StateInvalid("the session's state cannot be read", why=repr(error), fix=_FIX) from error
    if version != _FORMAT:
        raise StateInvalid(f"the session's state is of format {version!r}, this runtime reads {_FORMAT}", fix=_FIX)
    if owner != content_hash:
        raise StateInvalid(
            "the session's state belongs to another model", why=f"{str(owner)[:16]}, not {content_hash[:16]}", fix=_FIX
        )
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 0:
        raise StateInvalid("the session's state is damaged", why=f"rows is {rows!r}", fix=_FIX)
    return rows, carried


_FIX = "start a new session: bundle.session()"
