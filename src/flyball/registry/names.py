"""Names of models and aliases, and references such as "machines@production"."""

from __future__ import annotations

import re

from flyball_runtime.errors import BadInput, Refused

__all__ = [
    "AliasMoved",
    "AliasUnknown",
    "ModelUnknown",
    "NameRefused",
    "VersionExternal",
    "VersionUnknown",
    "check_alias",
    "check_name",
    "split_reference",
]

LATEST = "latest"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class NameRefused(BadInput):
    """A name or reference is not of the form that Flyball uses, so that it can stand in paths and URLs as it is."""

    code = "FB-REG-001"


class ModelUnknown(BadInput):
    """No version of a model of this name was registered."""

    code = "FB-REG-002"


class VersionUnknown(BadInput):
    """The model has no version of this number."""

    code = "FB-REG-003"


class VersionExternal(BadInput):
    """The version was made by another tool: there is no bundle that could be run, explained or compared."""

    code = "FB-REG-013"


class AliasUnknown(BadInput):
    """The model has no alias of this name."""

    code = "FB-REG-004"


class AliasMoved(Refused):
    """The alias moved meanwhile: what was judged is no longer what would be replaced. Judge again."""

    code = "FB-REG-012"


def check_name(name: str, of: str = "model") -> str:
    """The name itself. Raises NameRefused unless it is letters, digits, `.`, `_`, `-`, and begins with the former."""
    if not _NAME.fullmatch(name):
        raise NameRefused(
            f"{name!r} cannot be the name of a {of}",
            why="a name has 1 to 100 letters (a-z), digits, '.', '_' or '-', and begins with a letter or digit",
            fix="choose another name, such as machines",
        )
    return name


def check_alias(alias: str) -> str:
    """The alias itself: what the project file takes as the name of a gate, but no number and not `latest`.

    Raises NameRefused.
    """
    from flyball.config.model import is_name

    if alias == LATEST or alias.isdigit() or not is_name(alias):
        raise NameRefused(
            f"{alias!r} cannot be an alias",
            why="an alias has 1 to 64 letters (a-z), digits, '-' or '_', begins with a letter or digit, "
            f"and is neither a number nor {LATEST!r}",
            fix="choose another alias, such as production",
        )
    return alias


def split_reference(reference: str) -> tuple[str, str]:
    """The model and what stands after "@" (`latest` when nothing does).

    >>> split_reference("machines@3"), split_reference("machines")
    (('machines', '3'), ('machines', 'latest'))
    """
    model, separator, selector = reference.partition("@")
    if not model or (separator and not selector) or "@" in selector:
        raise NameRefused(
            f"{reference!r} does not name a model version",
            fix="write MODEL@NUMBER, MODEL@ALIAS or MODEL@latest, such as machines@3 or machines@production",
        )
    return check_name(model), selector or LATEST
