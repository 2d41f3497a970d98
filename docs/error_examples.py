"""Real examples for the pages of the error codes: each is provoked here, and kept as the program prints it.

`python docs/error_examples.py` writes them anew into the package, where `flyball error` and the documentation find them;
a test provokes them again and compares. Codes without an example here show the texts of the place that raises them.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flyball as fb
from flyball.cli import main
from flyball_runtime.errors import FlyballError

__all__ = ["KEPT", "capture"]

KEPT = Path(__file__).parents[1] / "src" / "flyball" / "cli" / "error_examples.json"
SHOWN_FOLDER = "/srv/plant"
SITES = ("north", "south", "east")


def table(row: Callable[[int], str], header: str = "speed,site,failed", rows: int = 60) -> bytes:
    """A small CSV file."""
    return "\n".join([header, *map(row, range(rows)), ""]).encode()


def usual(row: int) -> str:
    return f"{40 + row * 7 % 31}.5,{SITES[row * 5 % 3]},{int(row * 7 % 31 > 14)}"


GOOD = table(usual)
# What `flyball init machines --from machines.csv --target failed` says of these files.
FILES: dict[str, bytes] = {
    "FB-DATA-003": b"speed,site,failed\n",
    "FB-DATA-004": b"\x80\x04\x95" + bytes(range(256)),
    "FB-DATA-005": table(usual, header="speed,speed,failed"),
    "FB-DATA-006": table(lambda row: usual(row) + (",spare" if row % 3 == 0 else "")),
    "FB-DATA-007": GOOD + b"41.5,Z\xfcrich,1\n41.5,\x81,0\n",
    "FB-TARGET-001": table(usual, header="speed,site,failled"),
    "FB-TARGET-002": table(lambda row: usual(row)[:-1]),
    "FB-TARGET-003": table(lambda row: usual(row)[:-1] + "0"),
    "FB-TARGET-004": table(usual, rows=9),
    "FB-TARGET-005": table(lambda row: usual(row)[:-1] + f"2026-03-{row % 28 + 1:02}"),
    "FB-PIPE-001": table(lambda row: f"m{row * 7919:06}x,{row % 2}", header="serial,failed"),
}  # fmt: skip
# What `flyball run` says once a line stands in [model.machines] of the project file.
SETTINGS = {
    "FB-CONFIG-002": "time = yesterday", "FB-CONFIG-003": 'bugdet = "5m"', "FB-CONFIG-004": "drop = 3",
    "FB-METRIC-001": 'metric = "rmse"', "FB-PIPE-002": 'drop = ["sped"]', "FB-PIPE-003": 'weight = "site"',
    "FB-PIPE-004": 'group = "failed"', "FB-PIPE-005": 'task = "multiclass"', "FB-PIPE-006": 'time = "site"',
    "FB-SPLIT-001": 'split = "group"',
}  # fmt: skip
# Commands in a project that has machines@1 and a gate that it does not pass.
COMMANDS: dict[str, list[str]] = {
    "FB-BACKUP-001": ["restore", "machines.csv", "--dir", "restored"],
    "FB-CLI-001": ["run", "--bugdet", "60s"],
    "FB-CLI-004": ["error", "FB-DATE-003"],
    "FB-CONFIG-005": ["run", "--budget", "soon"],
    "FB-DATA-001": ["predict", "machines@1", "machine.csv", "scores.csv"],
    "FB-DATA-002": ["predict", "machines@1", "sheet.xlsx", "scores.csv"],
    "FB-FILE-001": ["predict", "machines@1", "machines.csv", "machines.csv/scores.csv"],
    "FB-EXCHANGE-001": ["import", "mlflow", "mlflow.db"],
    "FB-EXCHANGE-002": ["import", "mlflow", "machines.csv"],
    "FB-EXCHANGE-006": ["export", "mlflow", "machines.csv"],
    "FB-GATE-003": ["promote", "machines@1", "production", "--reason", "first"],
    "FB-PROJECT-001": ["status", "--dir", "elsewhere"],
    "FB-PROJECT-002": ["init", "machines", "--from", "machines.csv", "--target", "failed"],
    "FB-PROJECT-003": ["init", "my machines", "--from", "machines.csv", "--target", "failed"],
    "FB-PROJECT-004": ["run", "machine"],
    "FB-PROJECT-007": ["explain", "machines@1", "--row", "60"],
    "FB-PROJECT-008": ["predict", "machines@1", "machines.csv", "scores.xlsx"],
    "FB-CLIENT-002": ["track", "sync", "nowhere"],
    "FB-STORE-019": ["store", "copy-artifacts", "--to", "ftp://files.plant/models"],
    "FB-TRACK-001": ["track", "download", "4f1c2a90d3", "--dir", "."],
    "FB-PROJECT-012": ["store", "copy", "--to", "sqlite:///copy.db", "--dir", "elsewhere"],
    "FB-STORE-016": ["store", "copy", "--to", "sqlite:///.flyball/flyball.db"],
    "FB-PROJECT-011": ["promote", "machines@1", "staging", "--reason", ""],
    "FB-REG-001": ["promote", "machines@1", "latest", "--reason", "first"],
    "FB-REG-002": ["explain", "machine@1", "--row", "0"],
    "FB-REG-003": ["explain", "machines@7", "--row", "0"],
    "FB-REG-004": ["explain", "machines@prod", "--row", "0"],
    "FB-SERVE-010": ["serve", "machines@1", "--host", "0.0.0.0"],
    "FB-SERVE-019": ["serve", "machines@1", "--port", "99999"],
    "FB-PAST-005": ["serve", "machines@1", "--history", "machines.csv"],
    "FB-TABLE-002": ["predict", "machines@1", "short.csv", "scores.csv"],
    "FB-TABLE-004": ["predict", "machines@1", "odd.csv", "scores.csv"],
}
OTHERS = {
    "machines.csv": GOOD, "sheet.xlsx": b"PK\x03\x04", "short.csv": table(usual, header="sped,site,failed"),
    "odd.csv": table(lambda row: usual(row) if row % 9 else "n.k.,north,0"),
}  # fmt: skip


def capture() -> dict[str, str]:
    """Each example as it is printed now, without the line that points here; the folder's name is made general."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="flyball-examples-") as scratch:
        folder = Path(scratch).resolve() / "plant"
        folder.mkdir()
        try:
            os.chdir(folder)
            found = {**_from_files(folder), **_from_project(folder), **_from_python(folder), **_from_tables(folder)}
        finally:
            os.chdir(before)
    return {code: found[code].replace(str(folder), SHOWN_FOLDER) for code in sorted(found)}


def printed(*words: str) -> str:
    """What a command says on standard error, but for its progress."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        main(list(words))
    text = err.getvalue()
    lines = text[text.rindex("FB-", 0, text.index("  ", text.index("FB-"))) :].rstrip().split("\n")
    return "\n".join(line.rstrip() for line in lines if not line.lstrip().startswith("more "))


def _from_files(folder: Path) -> dict[str, str]:
    words = ("init", "machines", "--from", "machines.csv", "--target", "failed", "--dir", "new")
    found = {}
    for code, content in FILES.items():
        (folder / "machines.csv").write_bytes(content)
        found[code] = printed(*words)
    (folder / "parts").mkdir()
    (folder / "parts" / "may.csv").write_bytes(GOOD)
    (folder / "parts" / "june.csv").write_bytes(table(usual, header="speed,plant,failed"))
    found["FB-DATA-008"] = printed("init", "machines", "--from", "parts", "--target", "failed", "--dir", "new")
    return found


def _from_project(folder: Path) -> dict[str, str]:
    for name, content in OTHERS.items():
        (folder / name).write_bytes(content)
    (folder / "elsewhere").mkdir()
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        assert main(["init", "machines", "--from", "machines.csv", "--target", "failed"]) == 0
        project = folder / "flyball.toml"
        text = project.read_text(encoding="utf-8").replace("beats_baseline = true", 'roc_auc = ">= 0.999"')
        project.write_text(text, encoding="utf-8")
        assert main(["run", "--budget", "0s"]) == 0
    found = {code: printed(*words) for code, words in COMMANDS.items()}
    for code, line in SETTINGS.items():
        project.write_text(text.replace("[model.machines]\n", f"[model.machines]\n{line}\n"), encoding="utf-8")
        found[code] = printed("run", "--budget", "0s")
    project.write_bytes(text.encode() + b"# M\xfcller\n")
    found["FB-CONFIG-006"] = printed("status")
    store = 'store = "mysql://server/flyball"'
    project.write_text(text.replace('name = "machines"', f'name = "machines"\n{store}', 1), encoding="utf-8")
    found["FB-STORE-004"] = printed("status")
    project.write_text(text, encoding="utf-8")
    return found


def _from_tables(folder: Path) -> dict[str, str]:
    """Errors of projects that learn from several tables: orders with their lines."""
    days = [f"2026-{1 + row // 28:02}-{1 + row % 28:02}" for row in range(60)]
    lines = [f"{row},{1000 + row // 2},{1 + row * 7 % 9}" for row in range(120)]
    orders = [f"{1000 + row},C{row * 7 % 5},{day},{row * 37 % 101}.5" for row, day in enumerate(days)]
    for name, header, rows in (
        ("orders", "order_id,customer_id,order_date,freight", orders), ("lines", "line_id,order_id,quantity", lines),
    ):  # fmt: skip
        (folder / f"{name}.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    words = ("--from", "orders.csv", "--target", "freight", "--related", "lines.csv", "--dir", "shop")
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        assert main(["init", "orders", *words]) == 0
    project = folder / "shop" / "flyball.toml"
    text = project.read_text(encoding="utf-8")
    ahead = '[features.coming]\nof = "orders.order_id"\nby = "customer_id"\nfunction = "distinct"\nlag = "-7d"\n'
    changed = {
        "FB-FEATURE-001": text.replace('key = "line_id"', 'key = "order_id"'), "FB-FEATURE-002": f"{text}\n{ahead}",
    }  # fmt: skip
    found = {}
    for code, content in changed.items():
        project.write_text(content, encoding="utf-8")
        found[code] = printed("run", "--budget", "0s", "--dir", "shop")
    return found


def _from_python(folder: Path) -> dict[str, str]:
    """Errors that only programs meet."""
    import numpy as np
    from scipy.sparse import csr_matrix

    from flyball.automl import AutoClassifier
    from flyball.config import load_project
    from flyball.data import look, read_source
    from flyball_runtime import open_bundle

    project = fb.open(folder)
    numbers = np.arange(30.0)
    read = read_source({"speed": numbers, "failed": numbers % 2}).table
    calls: dict[str, Callable[[], Any]] = {
        "FB-AUTOML-002": lambda: AutoClassifier(budget=0).fit({"speed": numbers}, np.ones(30)),
        "FB-AUTOML-003": lambda: AutoClassifier(budget=0).fit(csr_matrix(np.eye(30)), numbers % 2),
        "FB-BUNDLE-005": lambda: open_bundle(folder / "elsewhere"),
        "FB-CONFIG-001": lambda: load_project(folder / "elsewhere"),
        "FB-LOOK-001": lambda: look(read, "failed", time="spede"),
        "FB-PROJECT-005": lambda: project.learn({"speed": numbers, "failed": numbers % 2}),
        "FB-TABLE-001": lambda: project.learn(7, target="failed"),
        "FB-TABLE-003": lambda: project.learn({"speed": numbers, "failed": [0, 1]}, target="failed"),
    }
    found = {}
    for code, call in calls.items():
        with contextlib.redirect_stderr(io.StringIO()):
            try:
                call()
            except FlyballError as error:
                found[code] = str(error)
    project.close()
    return found


if __name__ == "__main__":
    examples = capture()
    wrong = {code: text for code, text in examples.items() if not text.startswith(f"{code}  ")}
    if wrong:
        sys.exit(f"not what was to be provoked: {wrong}")
    KEPT.write_text(json.dumps(examples, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
