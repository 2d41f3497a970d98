"""What may name a metric, a parameter, a tag, an experiment, a file."""

from __future__ import annotations

import posixpath
import re
import secrets
import unicodedata
from collections.abc import Hashable, Iterable
from functools import lru_cache
from urllib.parse import unquote

from flyball.tracking.errors import PathRefused, TrackingInvalid

__all__ = ["check_experiment_name", "check_key", "check_length", "check_path", "new_name"]

_KEY = re.compile(r"[/\w.\- :]*")
_KEY_LENGTH = 250
_EXPERIMENT_LENGTH = 500
_PATH_LENGTH = 1000
_FIRST = (
    "amber", "brisk", "calm", "deft", "early", "fair", "gentle", "hearty", "iron", "jolly", "keen", "lively", "mellow",
    "nimble", "open", "prompt", "quiet", "ready", "steady", "tidy", "upright", "vivid", "warm", "young", "zesty",
)  # fmt: skip
_SECOND = (
    "anvil", "beam", "crank", "dial", "engine", "flywheel", "gear", "hinge", "ingot", "jack", "keel", "lever", "mill",
    "nozzle", "oiler", "piston", "quill", "rotor", "spindle", "turbine", "union", "valve", "wheel", "yoke",
)  # fmt: skip


@lru_cache(maxsize=4096)  # trainings say the same few names again and again
def check_key(key: Hashable, of: str = "key") -> str:
    """A metric's, parameter's or tag's key: letters, digits, `_ - . : /` and spaces, and plain when read as a path.

    Raises TrackingInvalid.
    """
    if not isinstance(key, str) or not key:
        raise TrackingInvalid(f"the {of} has no name")
    if not _KEY.fullmatch(key):
        raise TrackingInvalid(
            f"{key!r} cannot be the name of a {of}",
            why="a name has letters, digits, spaces and the characters _ - . : / only",
        )
    plain = posixpath.normpath(key)
    if plain != key or plain == "." or plain.startswith(("..", "/")):
        raise TrackingInvalid(f"{key!r} cannot be the name of a {of}", why=f"read as a path it would be {plain!r}")
    return check_length(key, _KEY_LENGTH, f"name of the {of}")


def check_length(text: str, most: int, of: str) -> str:
    """The text itself. Raises TrackingInvalid when it has more than `most` characters."""
    if len(text) > most:
        raise TrackingInvalid(f"the {of} has {len(text):,} characters", why=f"at most {most:,} are kept")
    return text


def check_experiment_name(name: object) -> str:
    """An experiment's name: any text of 1 to 500 characters. Raises TrackingInvalid."""
    if not isinstance(name, str) or not name:
        raise TrackingInvalid(f"{name!r} cannot be the name of an experiment", why="a name has at least one character")
    return check_length(name, _EXPERIMENT_LENGTH, "name of the experiment")


def check_path(path: str) -> str:
    """A relative path with plain parts, without its slashes at the ends. Raises PathRefused.

    >>> check_path("0/ab12/artifacts/model/MLmodel")
    '0/ab12/artifacts/model/MLmodel'
    """
    plain = path
    for _ in range(5):  # what is decoded twice on the way must not come out as something else
        if (decoded := unquote(plain)) == plain:
            break
        plain = decoded
    parts: Iterable[str] = path.strip("/").split("/")
    same = unicodedata.normalize("NFKC", plain)  # letters that some systems take for dots and slashes
    climbs = same != plain and (".." in same.split("/") or "\\" in same or same.count("/") != plain.count("/"))
    hidden = plain != path and (".." in plain.split("/") or "\\" in plain or plain.startswith("/"))
    plainly = all(part not in ("", ".", "..") for part in parts) or path == ""
    odd = any(letter in path for letter in "\\#\ufffd") or any(ord(letter) < 32 for letter in plain)
    if (
        hidden
        or climbs
        or odd
        or not plainly
        or path.startswith("/")
        or len(path) > _PATH_LENGTH
        or re.match(r"[A-Za-z]:", path)
    ):
        raise PathRefused(
            "the path of a file must be plain and relative",
            where=repr(path[:200]),
            why="it is absolute, too long, or holds '..', an empty part, a backslash, '#', a control character or no text",
            fix="write it like model/weights.bin",
        )
    return path.strip("/")


def new_name() -> str:
    """A name for a run that was given none, such as "steady-flywheel-417"."""
    return f"{secrets.choice(_FIRST)}-{secrets.choice(_SECOND)}-{secrets.randbelow(1000)}"
