"""What a command prints: numbers a person can read, one object for programs, errors that help."""

from __future__ import annotations

import errno
import json
import time
from pathlib import Path
from typing import Any

import pytest

from flyball.cli import app as cli
from flyball.cli import main
from flyball.cli.answer import Answer, bullet_list, escape, show
from flyball.cli.progress import LineProgress
from flyball.cli.summary import interval, number, run_summary
from flyball_runtime.errors import FlyballError


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.98765, "0.9877"),
        (46741.2, "46,741"),
        (0.0, "0"),
        (-12345.6, "-12,346"),
        (1e-9, "1e-09"),
        (10_000, "10,000"),
    ],
)
def test_a_number_has_four_digits_or_separators(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_a_missing_metric_shows_a_dash() -> None:
    assert interval(None) == "–"
    assert interval({"value": None, "low": None, "high": None}) == "–"


def test_a_long_list_counts_the_rest() -> None:
    lines = bullet_list("leaks", [str(place) for place in range(20)], most=3)
    assert [line.strip() for line in lines] == ["leaks     0", "1", "2", "… and 17 more"]


def test_markup_in_names_is_printed_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    show(Answer({}, f"{escape('speed [rpm]')} [bold]x[/]"), as_json=False)
    assert capsys.readouterr().out == "speed [rpm] x\n"


def test_json_is_one_line_without_escapes_and_never_nan(capsys: pytest.CaptureFixture[str]) -> None:
    show(Answer({"größe": 1, "path": Path("a")}, ""), as_json=True)
    assert capsys.readouterr().out == '{"größe": 1, "path": "a"}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        show(Answer({"a": float("nan")}, ""), as_json=True)


def test_no_command_shows_the_help_and_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in cli.COMMANDS)
    assert "Exit codes" in shown


@pytest.mark.parametrize("command", sorted(cli.COMMANDS))
def test_every_command_explains_itself_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--json" in shown or command in ("audit", "keys")
    assert f"flyball {command}" in shown


def test_a_missing_argument_is_answered_with_how_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["restore", "b.tar", "NEW"]) == 2
    assert "flyball restore machines.tar --dir machines-restored" in " ".join(capsys.readouterr().err.split())


def test_an_unknown_command_offers_the_near_miss_for_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["statsu"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "FB-CLI-001" in printed.err
    assert '"status"' in printed.err
    assert main(["statsu", "--json"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["code"] == "FB-CLI-001"
    assert printed.err == ""


class Broken:
    """Stands in for the application: every command fails with the same error."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, *_: Any, **__: Any) -> Answer:
        raise self.error


@pytest.mark.parametrize(
    ("error", "exit_code", "code"),
    [
        (ZeroDivisionError("by zero"), 3, "FB-CLI-002"),
        (OSError("a bug, not a file"), 3, "FB-CLI-002"),
        (PermissionError(errno.EACCES, "Permission denied", "/secret"), 2, "FB-CLI-003"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 5000), 2, "FB-CLI-003"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "FB-CLI-003"),
        (FlyballError("said"), 3, "FB-CORE-000"),
    ],
)
def test_every_failure_is_coded(
    error: BaseException, exit_code: int, code: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "app", Broken(error))
    monkeypatch.delenv("FLYBALL_DEBUG", raising=False)
    assert main(["status", "--json"]) == exit_code
    printed = capsys.readouterr()
    told = json.loads(printed.out)["error"]
    assert told["code"] == code
    assert len(told["where"] or "") <= 210
    assert "Traceback" not in printed.out + printed.err


def test_an_interruption_ends_with_130_and_says_that_steps_are_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "app", Broken(KeyboardInterrupt()))
    assert main(["run"]) == 130
    assert "finished steps are kept" in capsys.readouterr().err


def test_debugging_shows_the_error_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "app", Broken(ZeroDivisionError("by zero")))
    monkeypatch.setenv("FLYBALL_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["run"])


def test_line_progress_writes_finished_and_reused_steps_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    progress = LineProgress()
    progress.start("read")
    progress.update("read", 0.5, "too soon to say")
    progress.finish("read", "10 rows", reused=True)
    progress.start("look", "a note")
    progress.finish("look")
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert lines[0].split() == ["read", "reused", "10", "rows"]
    assert [line.split()[0] for line in lines] == ["read", "look", "look"]


def test_a_step_that_says_nothing_is_said_to_go_on_until_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    progress = LineProgress(patience_seconds=0.1)
    progress.start("read")
    time.sleep(0.4)
    progress.finish("read", "60 rows")
    told = capsys.readouterr().err.splitlines()
    assert len(told) > 1
    assert all(line.endswith("s  still at work") for line in told[:-1])
    time.sleep(0.2)
    assert capsys.readouterr().err == ""
    progress.close()


def test_the_summary_of_a_run_shows_undefined_metrics_as_absent(capsys: pytest.CaptureFixture[str]) -> None:
    interval_ = {"value": 0.9, "low": 0.8, "high": 1.0}
    data = {
        "registered": True, "model": "m", "version": 1, "task": "binary", "target": "a [b]", "unchanged": False,
        "split": {"kind": "random", "by": None, "why": "no order"}, "leaks": [{"column": "c", "why": "copies [it]"}],
        "random_gap": None, "metric": "roc_auc", "gates": [], "bundle": "b", "report": "r",
        "metrics": {"test": {"accuracy": interval_}, "cv": {}, "baseline": {}}, "parity": {"rows": 5, "max_abs_diff": 0.0},
    }  # fmt: skip
    show(Answer(data, run_summary(data)), as_json=False)
    shown = capsys.readouterr().out
    assert "a [b]" in shown
    assert "copies [it]" in shown
    assert "roc_auc" not in shown
    assert "0.9 [0.8, 1]" in shown
    assert "test rows" not in shown
    auc = {"value": 0.71, "low": 0.66, "high": 0.76}
    moved = {"auc": auc, "demonstrated": True, "columns": [{"column": "heat [C]", "share": 0.6}]}
    show(Answer(data, run_summary({**data, "shift": moved})), as_json=False)
    told = " ".join(capsys.readouterr().out.split())
    assert "tells test rows from training rows, with an AUC of 0.71 [0.66, 0.76], most of all by heat [C]" in told
