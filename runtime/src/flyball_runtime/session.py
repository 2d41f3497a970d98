"""A stream of rows through one bundle, with the state that a restart must not lose."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from flyball_runtime.errors import BadInput

if TYPE_CHECKING:
    from flyball_runtime.bundle import Bundle

__all__ = ["Session", "StateInvalid"]

_FORMAT = 1


class StateInvalid(BadInput):
    """A session's saved state is damaged, of a later version, or belongs to another model."""

    code = "FB-SESSION-001"


class Session:
    """Scores rows as they come. A model without windows carries nothing from one push to the next but a count.

    Threads may share a session; pushes then happen one after the other, in the order in which they arrive.
    """

    def __init__(self, bundle: Bundle, state: bytes | None = None) -> None:
        """state: what `.state()` gave, for the same content hash. Raises StateInvalid."""
        self._bundle = bundle
        self._lock = threading.Lock()
        self._rows = 0 if state is None else _read_rows(state, bundle.content_hash)

    @property
    def rows(self) -> int:
        """How many rows have been pushed, before and since the state was restored."""
        return self._rows

    def push(self, rows: Any) -> dict[str, NDArray[Any]]:
        """Outputs for these rows, as `Bundle.score` gives them; rows that are refused leave the state as it was."""
        with self._lock:
            outputs = self._bundle.score(rows)
            self._rows += len(outputs["prediction"])
            return outputs

    def state(self) -> bytes:
        """Everything that a later session needs to go on from here, as JSON."""
        with self._lock:
            document = {"format": _FORMAT, "content_hash": self._bundle.content_hash, "rows": self._rows}
        return json.dumps(document, sort_keys=True).encode()


def _read_rows(state: bytes, content_hash: str) -> int:
    try:
        document = json.loads(state)
        version, owner, rows = document["format"], document["content_hash"], document["rows"]
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
    return rows


_FIX = "start a new session: bundle.session()"
