"""The whole loop on real data, one command at a time: `make demo`.

Every step is a command that you could type; what it prints is what you would see. The project is left in `demo/`, and a
second run goes on with it.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "examples" / "ai4i2020.csv"
PROJECT = ROOT / "demo"
FLYBALL = [sys.executable, "-m", "flyball"]


def main() -> int:
    """Run the loop; 0 when every step ended well."""
    began = time.monotonic()
    if not (PROJECT / "flyball.toml").exists():
        say("A table becomes a project: Flyball reads it, looks at it and says what it would do.")
        type_command("init", "machines", "--from", str(TABLE), "--target", "Machine failure", "--dir", str(PROJECT))
    say("The loop: make, prove, gate, register. Steps that did not change since last time are reused.")
    type_command("run", "--dir", str(PROJECT))
    say("Why does row 69 score as it does? Contributions of the columns add up to the score.")
    type_command("explain", "machines@latest", "--row", "69", "--dir", str(PROJECT))
    say("An alias moves only through its gate; the reason goes into the ledger.")
    type_command(
        "promote", "machines@latest", "production", "--reason", "first version, from the demo", "--dir", str(PROJECT)
    )
    with serving() as url:
        say("The version is served over HTTP. Ten machines are scored; the truth about them is told afterwards.")
        serve_some_rows(url)
        say("Every hash from the data to the decision is checked.")
        type_command("audit", "verify", "--dir", str(PROJECT))
        type_command("status", "--dir", str(PROJECT))
        watch_requests(url)
    say(f"Done in {time.monotonic() - began:.0f} s. Where to look next:")
    report = max((PROJECT / ".flyball" / "reports").glob("*.html"), key=lambda path: path.stat().st_mtime)
    print(f"   the report            {report.relative_to(ROOT)}   (open it in a browser)")
    print("   the console           .venv/bin/flyball console --dir demo")
    print(
        "   the project file      demo/flyball.toml   (change a rule or a budget, then: .venv/bin/flyball run --dir demo)"
    )
    print("   the ledger            .venv/bin/flyball audit log --dir demo")
    print("   the alert             .venv/bin/flyball alerts list --dir demo")
    return 0


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """The inference server while the block runs; its URL."""
    command = [*FLYBALL, "serve", "machines@production", "--port", "0", "--json", "--dir", str(PROJECT)]
    print("\n$ flyball serve machines@production --port 0", flush=True)
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        line = server.stdout.readline()
        if not line:
            raise SystemExit(server.wait() or 3)
        yield json.loads(line)["url"]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)


def serve_some_rows(url: str) -> None:
    """Ask for ten rows with named columns and tell what was true of them."""
    rows, truths = sample()
    answer = post(f"{url}/predict", {"rows": rows})
    for row, made, truth in zip(rows, answer["predictions"], truths, strict=True):
        share = made["probability"]["1"]
        wear, torque = row["Tool wear [min]"], row["Torque [Nm]"]
        print(f"   tool wear {wear:>3} min, torque {torque:>4} Nm   failure {share:6.1%}   was {truth}")
    told = [{"id": made["id"], "value": truth} for made, truth in zip(answer["predictions"], truths, strict=True)]
    post(f"{url}/outcomes", told)
    print(f"   {len(told)} outcomes told by their prediction ids", flush=True)


def watch_requests(url: str) -> None:
    """Send a thousand ordinary requests, then five hundred of a sensor in the wrong unit; watch both."""
    for alert in answer_of("alerts", "list", "machines", "--dir", str(PROJECT))["alerts"]:
        say("An alert of last time is still open: the torque sensor was mended since.")
        type_command("alerts", "resolve", str(alert["number"]), "--reason", "sensor mended", "--dir", str(PROJECT))
    table = [asked(row) for row in random.Random(3).sample(read_table(), 1490)]
    say("More machines ask. Windows of 500 requests are held against the data that the version was made from.")
    post(f"{url}/predict", {"rows": table[:990]})
    print("   990 requests more", flush=True)
    time.sleep(0.5)
    type_command("watch", "machines", "--dir", str(PROJECT))
    say("A torque sensor is replaced, and the new one reports pound-feet instead of newton metres.")
    wrong = [row | {"Torque [Nm]": round(row["Torque [Nm]"] * 0.7376, 1)} for row in table[990:]]
    post(f"{url}/predict", {"rows": wrong})
    print("   500 requests with its values", flush=True)
    time.sleep(0.5)
    type_command("watch", "machines", "--dir", str(PROJECT), code=1)


def read_table() -> list[dict[str, str]]:
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def sample() -> tuple[list[dict[str, Any]], list[int]]:
    """Five failures and five others from the table, with what was true of them."""
    table = read_table()
    failures = [row for row in table if row["Machine failure"] == "1"]
    others = [row for row in table if row["Machine failure"] == "0"]
    chosen = [*failures[::70][:5], *others[::2000][:5]]
    return [asked(row) for row in chosen], [int(row["Machine failure"]) for row in chosen]


def asked(row: dict[str, str]) -> dict[str, Any]:
    """A row of the table as a request."""
    numbers = ("Air temperature [K]", "Process temperature [K]", "Rotational speed [rpm]", "Torque [Nm]", "Tool wear [min]",
               "RNF")  # fmt: skip
    return {"Type": row["Type"], **{name: float(row[name]) for name in numbers}}


def answer_of(*arguments: str) -> Any:
    """What a command prints with --json."""
    done = subprocess.run([*FLYBALL, *arguments, "--json"], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    return json.loads(done.stdout)


def type_command(*arguments: str, code: int = 0) -> None:
    """Print a command as one would type it, run it, and stop unless it ends with `code`."""
    shown = [f'"{word}"' if " " in word else word for word in arguments]
    home = os.path.relpath(PROJECT)
    print("\n$ flyball " + " ".join(shown).replace(str(PROJECT), home).replace(str(ROOT) + "/", ""), flush=True)
    ended = subprocess.run([*FLYBALL, *arguments]).returncode
    if ended != code:
        raise SystemExit(ended or 3)


def post(url: str, body: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read())


def say(text: str) -> None:
    print(f"\n── {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
