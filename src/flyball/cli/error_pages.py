"""The pages of the error codes, read from the code that raises them: nothing is imported and nothing can disagree.

A page has what the error means (the docstring of its class), why it happens and how to mend it (the texts at every place
that raises it, and the sections "Why:" and "Fix:" of the docstring where it has them), and an example: one that was provoked
and kept, or else the error of one of its places as the program prints it, with sample values for what varies.
"""

from __future__ import annotations

import ast
import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flyball.cli.error_texts import Texts, texts_at
from flyball_runtime.errors import BadInput, FlyballError, InternalError, Refused

__all__ = ["ErrorPage", "error_codes", "error_page", "error_pages"]

_KINDS: Mapping[str, type[FlyballError]] = {
    "BadInput": BadInput, "Refused": Refused, "InternalError": InternalError, "FlyballError": FlyballError
}  # fmt: skip
_ENDINGS = {
    2: "what was given cannot be used as it is; nothing was changed (exit code 2)",
    1: "a gate, a check or a policy said no; nothing was changed (exit code 1)",
    3: "Flyball itself failed, or what it stored is damaged (exit code 3)",
}
_GENERAL_FIX = {
    2: "Mend what the error names and run the command again.",
    1: "Look at what the error names; when it is right as it is, change the rule in the project file.",
    3: "Type `flyball audit verify` to see whether the store is whole; report what the command prints with FLYBALL_DEBUG=1.",
}
_CODE = re.compile(r'^    code(?:: \S+)? = "(FB-[A-Z]+-\d{3})"', re.MULTILINE)
_SECTION = re.compile(r"^(Why|Fix):[ \n]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Class:
    """An error class as it stands in a source file."""

    name: str
    bases: tuple[str, ...]
    document: str
    code: str | None
    file: Path


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What there is to say of one code."""

    code: str
    name: str
    exit_code: int
    meaning: str
    causes: tuple[str, ...]
    fixes: tuple[str, ...]
    example: str

    def to_dict(self) -> dict[str, object]:
        return {
            "code": self.code, "name": self.name, "exit_code": self.exit_code, "what": self.meaning,
            "why": list(self.causes), "fix": list(self.fixes), "example": self.example,
        }  # fmt: skip

    @property
    def summary(self) -> str:
        """The first sentence of what it means, on one line."""
        return re.split(r"(?<=[.;:])\s", " ".join(self.meaning.split()), maxsplit=1)[0].rstrip(".;:")

    @property
    def ending(self) -> str:
        """What it says of what was done, with the exit code."""
        if self.code.startswith("FB-AUDIT-"):
            return "something that is kept is not what the ledger vouches for (exit code 1)"
        return _ENDINGS[self.exit_code]

    def to_markdown(self) -> str:
        """The page as it stands in the documentation."""
        parts = [
            f"# {self.code}",
            f"*{self.name}: {self.ending}.*",
            "## What it means",
            self.meaning,
            "## Why it happens",
            _bullets(self.causes),
            "## How to mend it",
            _bullets(self.fixes),
            "## Example",
            f"```text\n{self.example}\n```",
        ]
        return "\n\n".join(parts) + "\n"


def error_codes() -> list[str]:
    """Every code of both packages and of the audit, in order."""
    from flyball.cli.finding_pages import FINDINGS

    return sorted({error.code for error in _classes().values() if error.code} | set(FINDINGS))


def error_page(code: str) -> ErrorPage:
    """The page of one code. Raises KeyError."""
    found = [error for error in _classes().values() if error.code == code]
    return _page(found[0]) if found else _finding(code)


def error_pages() -> list[ErrorPage]:
    """Every page, in the order of the codes."""
    return [error_page(code) for code in error_codes()]


def _page(error: _Class) -> ErrorPage:
    meaning, sections = _sections(error.document)
    exit_code = _kind(error).exit_code
    texts = list(_places(error))
    causes = [sections["Why"]] if "Why" in sections else []
    causes += [_cause(text) for text in texts if text.what]
    fixes = [sections["Fix"]] if "Fix" in sections else []
    fixes += [fix for text in texts for fix in text.fixes]
    return ErrorPage(
        code=str(error.code),
        name=error.name,
        exit_code=exit_code,
        meaning=meaning,
        causes=tuple(dict.fromkeys(causes)) or (meaning,),
        fixes=tuple(dict.fromkeys(fixes)) or (_GENERAL_FIX[exit_code],),
        example=_kept().get(str(error.code)) or _example(error, texts, meaning),
    )


def _finding(code: str) -> ErrorPage:
    from flyball.cli.finding_pages import finding_texts

    meaning, fix, example = finding_texts(code)
    return ErrorPage(code, "found by `flyball audit verify`", 1, meaning, (meaning,), (fix,), example)


def _sections(document: str) -> tuple[str, dict[str, str]]:
    """What stands before the sections of a docstring, and the sections."""
    meaning, *rest = _SECTION.split(document)
    found = {name: " ".join(text.split()) for name, text in zip(rest[::2], rest[1::2], strict=True)}
    return meaning.strip(), found


def _cause(text: Texts) -> str:
    why = f" ({text.why})" if text.why else ""
    return f"{text.what}{why}"


def _example(error: _Class, texts: list[Texts], meaning: str) -> str:
    """The error as the program prints it, made from the texts of its first place."""
    kind: type[FlyballError] = type(error.name, (_kind(error),), {"code": error.code})
    best = max(texts, key=lambda text: text.worth, default=None)
    if best is None:
        what = re.split(r"(?<=[.;:])\s", " ".join(meaning.split()), maxsplit=1)[0].rstrip(".;:")
        return str(kind(what[:1].lower() + what[1:], fix=_GENERAL_FIX[kind.exit_code].rstrip(".")))
    sample = best.sample
    return str(kind(sample["what"], where=sample.get("where"), why=sample.get("why"), fix=sample.get("fix")))


def _kind(error: _Class) -> type[FlyballError]:
    pending = [error.name, *error.bases]
    while pending:
        name = pending.pop(0)
        if name in _KINDS:
            return _KINDS[name]
        if name in _classes():
            pending += _classes()[name].bases
    return FlyballError


def _bullets(lines: tuple[str, ...]) -> str:
    return "\n".join(f"- {line}" for line in lines)


@functools.cache
def _kept() -> dict[str, str]:
    """Examples that were provoked and kept: see docs/error_examples.py."""
    kept: dict[str, str] = json.loads(Path(__file__).with_name("error_examples.json").read_text(encoding="utf-8"))
    return kept


# -- reading the sources


@functools.cache
def _sources() -> dict[Path, str]:
    """Every Python file of both packages."""
    return {file: file.read_text(encoding="utf-8") for folder in _folders() for file in sorted(folder.rglob("*.py"))}


def _folders() -> list[Path]:
    import flyball
    import flyball_runtime

    return [Path(folder) for package in (flyball, flyball_runtime) for folder in package.__path__]


@functools.cache
def _classes() -> dict[str, _Class]:
    """The error classes by a name of their own: two classes of one name are told apart by their code."""
    found: dict[str, _Class] = {}
    for file, text in _sources().items():
        if _CODE.search(text) is None:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef):
                bases = tuple(ast.unparse(base).rpartition(".")[2] for base in node.bases)
                error = _Class(node.name, bases, ast.get_docstring(node) or "", _code_of(node), file)
                earlier = found.get(node.name)
                if earlier is None or not earlier.code:
                    found[node.name] = error
                elif error.code:
                    found[f"{node.name} {error.code}"] = error
    return found


def _code_of(node: ast.ClassDef) -> str | None:
    for item in node.body:
        if not isinstance(item, ast.Assign | ast.AnnAssign) or not isinstance(item.value, ast.Constant):
            continue
        target = item.target if isinstance(item, ast.AnnAssign) else item.targets[0]
        if isinstance(target, ast.Name) and target.id == "code":
            return str(item.value.value)
    return None


def _places(error: _Class) -> Iterator[Texts]:
    """What every place that makes an error of this class says; of classes of one name, each is made in its own package."""
    shared = len({other.code for other in _classes().values() if other.name == error.name}) > 1
    for file, text in _sources().items():
        if f"{error.name}(" in text and (not shared or _package(file) == _package(error.file)):
            yield from texts_at(text, error.name)


def _package(file: Path) -> str:
    """The folder of a source file below its distribution: "data" for flyball/data/sources/open.py."""
    for folder in _folders():
        if file.is_relative_to(folder):
            return f"{folder.name}/{file.relative_to(folder).parts[0]}"
    return str(file.parent)
