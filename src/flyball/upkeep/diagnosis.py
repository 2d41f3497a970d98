"""What an examination finds: one check after another, each fine, a warning or a problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from flyball_runtime.errors import FlyballError

__all__ = ["Check", "Diagnosis", "State", "failed", "fine", "problem", "warning"]

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `facts` are numbers and yes or no only: they may leave the house."""

    name: str
    state: State
    what: str
    where: str | None = None
    why: str | None = None
    fix: str | None = None
    code: str | None = None
    facts: Mapping[str, int | float | bool] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        same = ("name", "state", "what", "where", "why", "fix", "code")
        return {**{key: getattr(self, key) for key in same}, "facts": dict(self.facts)}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Every check of one examination. `project` is the project's folder, None when only the installation was examined."""

    project: str | None
    deep: bool
    checks: Sequence[Check]

    @property
    def ok(self) -> bool:
        """Whether there is no problem; warnings do not count."""
        return not self.count("problem")

    def count(self, state: State) -> int:
        return sum(check.state == state for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """What `flyball doctor --json` prints."""
        return {
            "ok": self.ok,
            "project": self.project,
            "deep": self.deep,
            "problems": self.count("problem"),
            "warnings": self.count("warning"),
            "checks": [check.to_dict() for check in self.checks],
        }


def fine(name: str, what: str, *, where: str | None = None, **facts: int | float | bool) -> Check:
    """All is well."""
    return Check(name, "ok", what, where=where, facts=facts)


def warning(
    name: str, what: str, *, where: str | None = None, why: str | None = None, fix: str, **facts: int | float | bool
) -> Check:
    """Nothing is broken yet, or only something that is made anew when needed."""
    return Check(name, "warning", what, where, why, fix, facts=facts)


def problem(
    name: str, what: str, *, where: str | None = None, why: str | None = None, fix: str, **facts: int | float | bool
) -> Check:
    """Something does not work, or will not."""
    return Check(name, "problem", what, where, why, fix, facts=facts)


def failed(name: str, error: Exception) -> Check:
    """A check that met an error instead of an answer."""
    if isinstance(error, FlyballError):
        return Check(name, "problem", error.what, error.where, error.why, error.fix, error.code)
    return Check(
        name, "problem", f"it could not be examined: {type(error).__name__}", why=str(error) or None,
        fix="check that the project's files may be read; `flyball debug-bundle` collects what a report needs",
    )  # fmt: skip
