"""Small pieces of HTML, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

__all__ = ["code", "definitions", "e", "figure", "note", "section", "table", "tag"]


def e(content: Any) -> str:
    """Any value as text that is safe within HTML and within a quoted attribute."""
    return escape("" if content is None else str(content), quote=True)


def tag(kind: str, label: str) -> str:
    """A small coloured word: `good`, `bad`, `warn` or `plain`. The word itself carries the meaning, not the colour."""
    return f'<span class="tag {kind}">{e(label)}</span>'


def code(content: Any) -> str:
    """A hash, path or name, that may break anywhere."""
    return f"<code>{e(content)}</code>"


def note(content: str, kind: str = "plain") -> str:
    """A remark set apart; `content` is HTML."""
    return f'<p class="note {kind}">{content}</p>'


def section(name: str, title: str, lead: str, *parts: str) -> str:
    """A section with its heading, one sentence that says what to see (HTML), and its parts."""
    opening = f'<section id="{e(name)}" aria-labelledby="{e(name)}-title"><h2 id="{e(name)}-title">{e(title)}</h2>'
    return opening + (f'<p class="lead">{lead}</p>' if lead else "") + "".join(parts) + "</section>"


def figure(chart: str, title: str, caption: str = "") -> str:
    """A chart with its title above and what it means below."""
    below = f"<p>{caption}</p>" if caption else ""
    return f"<figure><figcaption><h3>{e(title)}</h3>{below}</figcaption>{chart}</figure>"


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values side by side; the values are HTML, empty ones are left out."""
    rows = "".join(f"<div><dt>{e(name)}</dt><dd>{value}</dd></div>" for name, value in pairs if value)
    return f"<dl>{rows}</dl>" if rows else ""


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str, numeric: Sequence[int] = (), wide: int = -1
) -> str:
    """A table that becomes a list of cards on a narrow screen; cells are HTML, `numeric` columns align right.

    `wide`: the column that takes the room that is left.
    """
    head = "".join(f'<th scope="col"{_cell(place, numeric, wide)}>{e(name)}</th>' for place, name in enumerate(heads))
    body = "".join(
        "<tr>"
        + "".join(
            f'<{"th scope=row" if place == 0 else "td"}{_cell(place, numeric, wide)} data-label="{e(heads[place])}">'
            f"<div>{cell}</div></{'th' if place == 0 else 'td'}>"
            for place, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><caption>{e(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(place: int, numeric: Sequence[int], wide: int) -> str:
    kinds = [kind for kind, holds in (("n", place in numeric), ("wide", place == wide)) if holds]
    return f' class="{" ".join(kinds)}"' if kinds else ""
