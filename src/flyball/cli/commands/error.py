"""`flyball error`: the page of an error code, without a network."""

from __future__ import annotations

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson
from flyball_runtime.errors import BadInput, near_miss

__all__ = ["ErrorCodeUnknown", "error"]


class ErrorCodeUnknown(BadInput):
    """`flyball error` was asked for a code that no error of this version has."""

    code = "FB-CLI-004"


def error(code: str | None = None, *, as_json: AsJson = False) -> Answer:
    """Tell what an error code means, why it happens and how to mend it; without a code, list all.

    For example:
        flyball error FB-GATE-003
        flyball error

    Parameters
    ----------
    code
        The code that an error begins with, such as FB-DATA-003; capitals do not matter.
    """
    from rich.console import Group
    from rich.text import Text

    from flyball.cli.error_pages import error_codes, error_page, error_pages

    if code is None:
        pages = error_pages()
        lines = [Text.assemble((page.code, "bold"), "  " + " " * (15 - len(page.code)), page.summary) for page in pages]
        data = {"errors": [{"code": page.code, "name": page.name, "what": page.summary} for page in pages]}
        return Answer(data, Group(*lines, Text("\nnext      flyball error CODE")))
    wanted = _code(code)
    if wanted not in error_codes():
        raise ErrorCodeUnknown(
            f'there is no error code "{code}"',
            fix=near_miss(wanted, error_codes()) or "flyball error lists every code",
        )
    page = error_page(wanted)
    parts = [Text.assemble((page.code, "bold red"), f"  {page.name}: {page.ending}"), Text(page.meaning)]
    for title, texts in (("Why it happens", page.causes), ("How to mend it", page.fixes)):
        parts.append(Text("\n".join([f"\n{title}", *(f"  - {text}" for text in texts)])))
    parts.append(Text("\nExample\n" + "\n".join(f"  {line}" for line in page.example.splitlines())))
    return Answer(page.to_dict(), Group(*parts))


def _code(written: str) -> str:
    """A code as people may write it: fb-data-3, DATA-003."""
    code = written.strip().upper().rstrip(":.,")
    area, _, number = code.removeprefix("FB-").rpartition("-")
    return f"FB-{area}-{number.zfill(3)}"
