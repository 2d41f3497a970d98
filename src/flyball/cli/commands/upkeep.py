"""`flyball doctor`, `backup`, `restore`, `clean`, `debug-bundle`: looking after an installation and its projects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flyball.cli.answer import Answer
from flyball.cli.options import AsJson, ProjectFolder

__all__ = ["backup", "clean", "debug_bundle", "doctor", "restore"]


def doctor(*, deep: bool = False, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Examine the installation and the project: packages, store, ledger, keys, artifacts, bundles, disk, clock.

    Changes nothing, and works on a project that is damaged or read-only, or where there is no project. Exit code 1 when
    there is a problem; a warning alone is none.

    For example:
        flyball doctor
        flyball doctor --deep --json

    Parameters
    ----------
    deep
        Check every hash and load every library instead of a sample; takes as long as `flyball audit verify`.
    """
    from flyball.cli.progress import console_progress
    from flyball.cli.upkeep import doctor_summary
    from flyball.project import doctor as examine

    progress = console_progress()
    try:
        diagnosis = examine(folder, deep=deep, progress=progress)
    finally:
        progress.close()
    data = diagnosis.to_dict()
    return Answer(data, doctor_summary(data), exit_code=0 if diagnosis.ok else 1)


def backup(
    destination: Path, *, without_keys: bool = False, folder: ProjectFolder = None, as_json: AsJson = False
) -> Answer:
    """Copy the whole project into one file, consistent although it is in use: runs and servers go on.

    In it are the store with the ledger and the prediction log, every artifact it names, the signing keys, the reports and
    the project file; not the tables that the project reads, whose registered versions are among the artifacts. Keep the
    file as safe as the project itself.

    For example:
        flyball backup /mnt/backups/
        flyball backup machines.tar --without-keys

    Parameters
    ----------
    destination
        A new file, or a folder, in which the file is named after the project and the time.
    without_keys
        Leave the private signing keys out; a project restored from it cannot sign until they are put back.
    """
    from flyball.cli.progress import console_progress
    from flyball.cli.upkeep import backup_summary
    from flyball.project import open as open_project

    project = open_project(folder)
    progress = console_progress()
    try:
        taken = project.backup(destination, with_keys=not without_keys, progress=progress)
    finally:
        progress.close()
        project.close()
    data = taken.to_dict()
    return Answer(data, backup_summary(data))


def restore(
    file: Path,
    *,
    folder: Annotated[Path, Parameter(name="--dir", help="Where the project goes: a new or empty folder.")],
    checkpoint: list[Path] | None = None,
    as_json: AsJson = False,
) -> Answer:
    """Make a project anew from a backup, verify every hash, and only then put it into its place.

    A backup that is damaged or cut short, or whose ledger does not verify, is refused and leaves nothing behind.

    For example:
        flyball restore machines.tar --dir machines-restored

    Parameters
    ----------
    file
        What `flyball backup` wrote.
    checkpoint
        A checkpoint kept elsewhere (from `flyball audit anchor`); a backup from before it, or of another history, is refused.
    """
    from flyball.cli.progress import console_progress
    from flyball.cli.upkeep import restore_summary
    from flyball.project import restore as make_anew

    progress = console_progress()
    try:
        restored = make_anew(file, folder, checkpoints=checkpoint or [], progress=progress)
    finally:
        progress.close()
    data = restored.to_dict()
    return Answer(data, restore_summary(data))


def clean(*, dry_run: bool = False, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Remove what the project file lets go under [retention], and give its space back to the disk.

    Without that section nothing is removed. Registered versions, their evidence and data, and the ledger always stay;
    removed predictions are told in the ledger: how many, from when to when, and why.

    For example:
        flyball clean --dry-run
        flyball clean

    Parameters
    ----------
    dry_run
        Only tell what would be removed.
    """
    from flyball.cli.progress import console_progress
    from flyball.cli.upkeep import clean_summary
    from flyball.project import open as open_project

    project = open_project(folder)
    progress = console_progress()
    try:
        cleaned = project.clean(dry_run=dry_run, progress=progress)
    finally:
        progress.close()
        project.close()
    data = cleaned.to_dict()
    return Answer(data, clean_summary(data))


def debug_bundle(file: Path | None = None, *, folder: ProjectFolder = None, as_json: AsJson = False) -> Answer:
    """Collect what a report of a fault needs into a zip: versions, counts, sizes, times, error codes.

    No value of the data is in it, no name of a column, model or file, no key and no secret.

    For example:
        flyball debug-bundle report.zip

    Parameters
    ----------
    file
        The zip to write, or a folder for it. Default: flyball-debug-TIME.zip in this folder.
    """
    from flyball.cli.answer import escape
    from flyball.cli.progress import console_progress
    from flyball.project import debug_bundle as collect

    progress = console_progress()
    try:
        data = collect(file, path=folder, progress=progress)
    finally:
        progress.close()
    lines = [f"[green]✓[/] {escape(data['path'])}, {data['bytes']:,} bytes: {', '.join(data['files'])}"]
    lines.append("look it through before you send it: it holds counts, times and codes, no value and no name")
    return Answer(data, "\n".join(lines))
