"""`flyball predict`: score a file."""

from __future__ import annotations

from pathlib import Path

from flyball.cli.answer import Answer, bullet_list, escape
from flyball.cli.options import AsJson, ProjectFolder
from flyball.core.counting import counted

__all__ = ["predict"]


def predict(
    ref: str,
    source: Path,
    destination: Path,
    *,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Score every row of a table and write the answers as CSV (or Parquet, by the ending).

    The columns written are those of the input followed by "prediction", one "probability_CLASS" per class, and "low"
    and "high" (the 90 % interval) for a number.

    For example:
        flyball predict machines@production new.csv scored.csv

    Parameters
    ----------
    ref
        The version: NAME@ALIAS or NAME@VERSION.
    source
        The table to score.
    destination
        The file to write; it appears whole or not at all.
    """
    from flyball.project import open as open_project

    data = open_project(folder).predict_file(ref, source, destination)
    done = f"{counted(data['rows'], 'row')} scored by {data['version_ref']} in {data['seconds']:.1f} s"
    return Answer(
        data, "\n".join([f"[green]✓[/] {done}: {escape(destination)}", *bullet_list("noticed", data["notes"])])
    )
