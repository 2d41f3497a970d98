"""URIs of files: which of them lie here, and where."""

from __future__ import annotations

import re
from urllib.parse import unquote

from flyball.mlflow.errors import invalid

__all__ = ["check_location", "check_source", "is_within", "path_of", "scheme_of"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?!\\)")
OURS = "mlflow-artifacts"


def scheme_of(uri: str) -> str:
    """The scheme of a URI in small letters; "" for a plain path."""
    match = _SCHEME.match(uri)
    return match[1].lower() if match and len(match[1]) > 1 else ""


def path_of(uri: str) -> str | None:
    """The path of a file or folder that this server keeps; None for other places.

    >>> path_of("mlflow-artifacts:/1/ab/artifacts"), path_of("s3://bucket/x")
    ('1/ab/artifacts', None)
    """
    if scheme_of(uri) != OURS:
        return None
    rest = uri.partition(":")[2]
    if rest.startswith("//"):  # the server that is meant is this one
        rest = rest[2:].partition("/")[2]
    return rest.strip("/")


def is_within(uri: str, root: str) -> bool:
    """Whether a URI of this server names something at or below another one."""
    inner, outer = path_of(uri), path_of(root)
    if inner is None or not outer:
        return False
    return inner == outer or inner.startswith(outer + "/")


def check_location(location: str) -> None:
    """Raises ProtocolError for a place of files that is a path of a machine, or that climbs."""
    if scheme_of(location) in ("", "file") or ("://" not in location and scheme_of(location) != OURS):
        raise invalid(f"artifact_location must be a URI, not a path of a machine: {location[:200]!r}")
    if _climbs(_decoded(location)):
        raise invalid(f"artifact_location must be a URI without '..': {location[:200]!r}")


def check_source(source: str) -> None:
    """Raises ProtocolError for a path of this machine, and for one that climbs."""
    if scheme_of(source) in ("", "file"):
        raise invalid(
            f"Invalid model version source: '{source}'. A path of the server's machine is none of its models."
        )
    if _climbs(_decoded(source)):
        raise invalid(f"Invalid model version source: '{source}'. It must be an absolute path without '..'.")


def _decoded(text: str) -> str:
    """What is left when nothing is percent-encoded any more."""
    for _ in range(10):
        if (decoded := unquote(text)) == text:
            break
        text = decoded
    return text


def _climbs(plain: str) -> bool:
    return "\0" in plain or ".." in re.split(r"[/\\]", plain)
