"""`flyball store`: where a project's tables and artifacts are kept."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["app"]

app = App(
    name="store",
    help="Where a project's tables and artifacts are kept.",
    help_format="plaintext",
    default_parameter=Parameter(negative=()),
)


@app.command
def copy(
    *,
    to: str,
    from_: Annotated[
        str | None, Parameter(name="--from", help="The store to copy: its URL. Default: that of this project.")
    ] = None,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Copy a store into an empty one, whole or not at all, and verify the ledger of the copy.

    From a file to a PostgreSQL database, or back. The source is not changed; stop servers and runs first, as what they
    write meanwhile is not in the copy. Then write the new URL as `store` into flyball.toml. Exit code 1 when the
    ledger does not verify.

    For example:
        flyball store copy --to postgresql://flyball@db.plant/machines
        flyball store copy --from postgresql://flyball@db.plant/machines --to sqlite:///machines.db

    Parameters
    ----------
    to
        The URL of the new store: a database, or a file, that holds nothing yet.
    """
    from flyball.cli.progress import console_progress
    from flyball.cli.upkeep import copy_summary
    from flyball.project import copy_store

    progress = console_progress()
    try:
        copied = copy_store(to, source=from_, path=folder, progress=progress)
    finally:
        progress.close()
    data = copied.to_dict()
    return Answer(data, copy_summary(data), exit_code=0 if copied.ok else 1)


@app.command
def copy_artifacts(
    *,
    to: str,
    from_: Annotated[
        str | None, Parameter(name="--from", help="The place to copy from. Default: that of this project.")
    ] = None,
    folder: ProjectFolder = None,
    as_json: AsJson = False,
) -> Answer:
    """Copy every artifact to another place, a folder or a bucket, each verified by its hash.

    What is there already is left alone, so that a copy that was interrupted goes on. The source is not changed. Then write
    the new place as `artifacts` into flyball.toml.

    For example:
        flyball store copy-artifacts --to s3://plant-models/flyball
        flyball store copy-artifacts --from s3://plant-models/flyball --to /srv/flyball/artifacts

    Parameters
    ----------
    to
        The new place: a folder, or a URL such as s3://bucket/prefix.
    """
    from flyball.cli.progress import console_progress
    from flyball.cli.upkeep import copy_artifacts_summary
    from flyball.project import copy_artifacts as copy_all

    progress = console_progress()
    try:
        data = copy_all(to, source=from_, path=folder, progress=progress).to_dict()
    finally:
        progress.close()
    return Answer(data, copy_artifacts_summary(data))
