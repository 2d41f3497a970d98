"""Runs a whole project's life in children that are killed at every failpoint, one after another; prints what came of it.

Usage: python crash_scenario.py FOLDER [URL TEMPLATE]. One process does it all and forks, so that libraries are loaded once.
URL: of the database "postgres" on a server; each project then has a database of its own there, like TEMPLATE, and no file.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from flyball.ledger import KeyRing
from flyball.registry import Registry
from flyball.testing.registries import TESTER, open_registry, register_tiny


def live(folder: Path) -> None:
    """Do whatever is not done yet; so a second call after a crash completes the first."""
    registry = open_registry(folder, store=store_of(folder))
    ring = KeyRing(registry.ledger)
    registry.clean_leftovers()
    blob = registry.artifacts.put(b"rows")
    registry.record_dataset("telemetry", "ab" * 32, blob, {"rows": 4, "owner": "Ada"}, TESTER)
    open_runs = [run for run in registry.runs() if run.kind == "learn"]
    run_id = open_runs[0].id if open_runs else registry.start_run("learn", {"budget": 60}, TESTER)
    for content in ("first", "second"):
        register_tiny(registry, content=content, run_id=run_id)
    if registry.run(run_id).finished is None:
        registry.finish_run(run_id, "done", {"roc_auc": 0.9}, {})
    if not registry.aliases("machines"):
        registry.move_alias("machines", "production", 1, TESTER, "first")
    if len(ring.list()) == 1:
        ring.rotate(TESTER, "yearly")
    if ring.list()[0].status != "revoked":
        ring.revoke(ring.list()[0].id, TESTER, "leaked")
    recorded = registry.ledger.entries(what="dataset.recorded")[0]
    if not registry.ledger.entries(what="payload.erased"):
        registry.ledger.erase(recorded.seq, "asked", TESTER)
    registry.ledger.rebuild()
    registry.database.close()


def store_of(folder: Path) -> str:
    """Where the project in `folder` keeps its tables."""
    return SERVER.replace("/postgres?", f"/{folder.name}?") if SERVER else "sqlite:///flyball.db"


def empty(folder: Path) -> None:
    """Remove a project, and give the next one in its place an empty database."""
    shutil.rmtree(folder, ignore_errors=True)
    if SERVER:
        import psycopg

        with psycopg.connect(SERVER, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{folder.name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{folder.name}" TEMPLATE "{TEMPLATE}"')


def state(registry: Registry) -> dict[str, object]:
    ring = KeyRing(registry.ledger)
    private = sorted(path.name for path in registry.ledger.keys.folder.iterdir())
    return {
        "whats": sorted(entry.what for entry in registry.ledger.entries()),
        "versions": [version.number for version in registry.versions("machines")],
        "folders": sorted(path.name for path in registry.bundles.glob("*/*")),
        "alias": [now.number for now in registry.aliases("machines")],
        "keys": [key.status for key in ring.list()],
        "private": len(private) == 1 and private[0] == f"{ring.current_id}.pem",
        "head": json.loads(registry.ledger.head.read_bytes()) == registry.ledger.anchor(),
    }


def child(work: Callable[[], None], **environment: str) -> int:
    """Fork, work, and say how it ended: 0, 1 for an exception, -9 when killed."""
    pid = os.fork()
    if pid == 0:
        os.environ.update(environment)
        try:
            work()
        except BaseException:  # noqa: BLE001 - a child must never run on as if it were the parent
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def judge(folder: Path) -> dict[str, object]:
    """What a killed project looks like, before and after the work is taken up again."""
    registry = open_registry(folder, begin=False, store=store_of(folder))
    problems = [f"{one.code} {one.where}: {one.what}" for one in registry.verify().problems]
    registry.database.close()
    live(folder)
    registry = open_registry(folder, begin=False, store=store_of(folder))
    problems += [f"resumed: {one.code} {one.where}: {one.what}" for one in registry.verify().problems]
    found = state(registry)
    registry.database.close()
    return {"problems": problems, **found}


def main(root: Path) -> None:
    for name in ("warm", "whole", "killed"):
        empty(root / name)
    live(root / "warm")  # loads every library that the children will need
    trace = root / "trace"
    whole = root / "whole"
    assert child(lambda: live(whole), FLYBALL_FAILPOINT_TRACE=str(trace)) == 0
    reached = trace.read_text().split()
    outcomes, folder, result = {}, root / "killed", root / "result"
    # Files are written the same whoever keeps the tables: on a server the commits alone are tried.
    for name in sorted(point for point in set(reached) if not SERVER or point.endswith("-commit")):
        # In the middle of a project's life, when there is something before and something after.
        nth = (reached.count(name) + 1) // 2
        ended = child(lambda: live(folder), FLYBALL_FAILPOINT=f"{name}#{nth}")
        result.unlink(missing_ok=True)
        judged = child(lambda: result.write_text(json.dumps(judge(folder))) and None)
        told = json.loads(result.read_text()) if judged == 0 else {}
        outcomes[f"{name}#{nth}"] = {"killed": ended, "judged": judged, **told}
        empty(folder)
    assert child(lambda: result.write_text(json.dumps(judge(whole))) and None) == 0
    print(json.dumps({"whole": json.loads(result.read_text()), "killed": outcomes}))


if __name__ == "__main__":
    SERVER, TEMPLATE = sys.argv[2:] or ("", "")
    main(Path(sys.argv[1]))
