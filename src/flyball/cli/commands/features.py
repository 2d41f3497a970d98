"""`flyball features`: what a version computes from."""

from __future__ import annotations

from pathlib import Path

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["features"]


def features(
    ref: str | None = None,
    *,
    export: Path | None = None,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Show the columns and features that a version computes from, and why it looks at earlier rows where it does.

    Window features are found where rows belong to entities with an order, or stand in the order of time, and are kept when
    they lower the loss on rows that their models have not seen. A feature of a related table buys what that loss rises by
    when its values are shuffled, as a share of the loss without any; what buys nothing clear is left out, with the reason.

    For example:
        flyball features engines@1
        flyball features
        flyball features engines@production --export windows.toml

    Parameters
    ----------
    ref
        The version: NAME, NAME@ALIAS or NAME@VERSION. Default: the newest of the project's only model.
    export
        Write the window features as a section of a project file, which declares them from then on.
    """
    from flyball.cli.features import features_summary
    from flyball.core.files import write_atomic
    from flyball.project import open as open_project
    from flyball.project.features import windows_section

    data = open_project(folder).features(ref)
    if export is not None:
        write_atomic(export, windows_section(data).encode(), label="features.write")
        data = {**data, "exported": str(export)}
    return Answer(data, features_summary(data))
