"""What a user chooses himself: test rows of their own, an embargo, groups beside a time; through every interface alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import flyball as fb
from flyball.evaluation import SplitPlan
from flyball.pipeline import splitting
from support.command_line import flyball, tree
from support.machines import machines
from support.tables import write


def made(folder: Path, source: Path, *options: object) -> dict[str, Any]:
    """What `flyball init` answers."""
    return flyball("init", "plant", "--from", source, "--target", "failed", *options, folder=folder).answer()


def refused(folder: Path, source: Path, *options: object) -> dict[str, Any]:
    before = tree(folder.parent)
    error = flyball("init", "plant", "--from", source, "--target", "failed", *options, folder=folder).error(2)
    assert tree(folder.parent) == before
    return error


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(machines(), tmp_path_factory.mktemp("whole") / "all.csv")


@pytest.fixture(scope="module")
def divided(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Training rows, and later test rows: with a site never seen, 12 copies of training rows, a column too many."""
    root, table = tmp_path_factory.mktemp("divided"), machines()
    site = pl.when(pl.arange(150) % 3 == 0).then(pl.lit("island")).otherwise(pl.col("site"))
    later = pl.concat([table[450:].with_columns(site=site), table[:12]]).with_columns(note=pl.lit("n"))
    return write(table[:450], root / "train.csv"), write(later, root / "test.csv")


# -- test rows of their own


def test_the_test_rows_are_those_of_the_file_and_are_learned_from_never(
    divided: tuple[Path, Path], tmp_path: Path
) -> None:
    train, test = divided
    folder = tmp_path / "p"
    told = made(folder, train, "--test", test)
    assert told["rows"] == 612
    run = flyball("run", "--budget", "1s", folder=folder).answer()
    split = run["split"]
    assert (split["train_rows"], split["test_rows"], split["test_file"]) == (450, 150, "test.csv")
    assert split["copies"]["rows"] == 12
    assert {"metric", "with", "without"} <= set(split["copies"])
    assert split["copies"]["without"] == run["metrics"]["test"][run["metric"]]["value"]
    notes = " ".join(run["notes"])
    assert '"site" has values that no training row has (50 of 150 rows)' in notes
    assert 'the training rows have no "note"; passed over' in notes
    page = Path(run["report"]).read_text(encoding="utf-8")
    card = (Path(run["bundle"]) / "card.md").read_text(encoding="utf-8")
    for text in (page, card):
        assert "12 test rows are copies of training rows" in text
        assert "test.csv" in text


def test_the_dataset_version_covers_both_files(divided: tuple[Path, Path], tmp_path: Path) -> None:
    train, test = divided
    other = write(pl.read_csv(test)[:100], tmp_path / "test.csv")
    versions = []
    for place, judged in (("a", test), ("b", other), ("c", None)):
        folder = tmp_path / place
        made(folder, train, *([] if judged is None else ["--test", judged]))
        project = fb.open(folder)
        learned = project.run(budget="0.5s").learned
        versions.append(learned.evidence["data"]["version"])
        project.close()
    assert len(set(versions)) == 3


def test_a_test_file_that_flatters_is_said_to(tmp_path: Path) -> None:
    table = machines()
    early, late = write(table[:200], tmp_path / "early.csv"), write(table[200:], tmp_path / "late.csv")
    told = made(tmp_path / "p", late, "--test", early, "--group", "engine")
    notes = " ".join(told["notes"])
    assert "when: the test file does not come after training" in notes
    assert "200 of 200 test rows lie before the last training row" in notes
    assert "engine: the test file holds groups that were learned from" in notes
    purged = made(tmp_path / "q", write(table[:500], tmp_path / "t.csv"), "--test", write(table[580:], tmp_path / "u.csv"),
                  "--group", "engine", "--purge")  # fmt: skip
    assert "groups that were learned from" not in " ".join(purged["notes"])
    assert any("no group of the test is learned from" in one for one in purged["split"]["details"])


def test_near_copies_of_training_rows_in_a_test_file_are_said_everywhere(tmp_path: Path) -> None:
    """In the look, the run, the report and the card; with the figure of the rows that are none."""
    rng, rows = np.random.default_rng(6), 400
    values = rng.normal(size=(rows, 5))
    known = pl.DataFrame({f"x{at}": values[:, at].round(6) for at in range(5)})
    known = known.with_columns(failed=pl.Series(np.where(values[:, 0] + rng.normal(size=rows) > 0, "yes", "no")))
    near = known[:40].with_columns((pl.col(f"x{at}") + 1e-4).round(6) for at in range(5))
    train, test = write(known[:300], tmp_path / "train.csv"), write(pl.concat([near, known[300:]]), tmp_path / "t.csv")
    told = " ".join(made(tmp_path / "p", train, "--test", test)["notes"])
    assert "40 of 140 test rows; about 40 pairs of rows differ by small changes of numbers alone" in told
    run = flyball("run", "--budget", "1s", folder=tmp_path / "p").answer()
    said = "40 of the 140 test rows are nearly copies of training rows"
    assert any(said in one for one in run["split"]["details"])
    assert any(one["kind"] == "near-duplicate rows" and "40 of 140" in one["why"] for one in run["findings"])
    both = run["split"]["near_copies"]
    assert (both["rows"], both["with"]) == (40, run["metrics"]["test"][run["metric"]]["value"])
    assert both["without"] != both["with"]
    page = Path(run["report"]).read_text(encoding="utf-8")
    for text in (page, (Path(run["bundle"]) / "card.md").read_text(encoding="utf-8")):
        assert said in text
    assert "On the rows of t.csv" in page
    clean = made(tmp_path / "q", train, "--test", write(known[300:], tmp_path / "u.csv"))
    assert "nearly copies" not in " ".join(clean["notes"])


def test_a_short_test_file_is_read_in_the_types_of_training(tmp_path: Path) -> None:
    """One bad cell of twelve numbers, or dates, is missing and said with its line, as it is among many."""
    table = machines(300)
    train, rest = write(table[:240], tmp_path / "train.csv"), table[240:].select(pl.all().cast(pl.String)).head(12)
    bad = rest.with_columns(
        load=pl.when(pl.arange(12) == 6).then(pl.lit("oops")).otherwise("load"),
        when=pl.when(pl.arange(12) == 3).then(pl.lit("soon")).otherwise("when"),
    )
    told = made(tmp_path / "p", train, "--test", write(bad, tmp_path / "t.csv"))
    notes = " ".join(told["notes"])
    assert 't.csv: "load": 1 cell is no number of 12, read as missing: line 8 holds "oops"' in notes
    assert 't.csv: "when": 1 cell is no date of 12, read as missing: line 5 holds "soon"' in notes
    hidden = made(tmp_path / "q", train, "--test", tmp_path / "t.csv", "--personal", "load")
    assert "oops" not in str(hidden)
    assert "line 8" in str(hidden["notes"])
    mostly = rest.with_columns(load=pl.when(pl.arange(12) > 3).then(pl.lit("much")).otherwise("load"))
    error = refused(tmp_path / "r", train, "--test", write(mostly, tmp_path / "u.csv"))
    assert error["code"] == "FB-PIPE-011"
    assert '8 cells are no numbers, of 12: line 6 holds "much"; line 7' in error["why"]


def test_a_short_test_table_in_memory_is_read_in_the_types_of_training(tmp_path: Path) -> None:
    table = machines(300)
    made(tmp_path / "p", write(table[:240], tmp_path / "train.csv"))
    test = table[240:252].to_dict(as_series=False)
    test["load"] = [*test["load"][:6], "oops", *test["load"][7:]]
    project = fb.open(tmp_path / "p")
    dataset = project.dataset(table[:240].to_dict(as_series=False), test=test, target="failed")
    evidence = project.learn(dataset, budget=0.01).evidence
    assert any('"load": 1 cell is no number of 12, read as missing: row 6 holds "oops"' in one
               for one in evidence["data"]["notes"])  # fmt: skip
    project.close()


def test_a_test_file_too_short_to_judge_by_is_said_before_the_run(tmp_path: Path) -> None:
    table = machines(300)
    train, rest = write(table[:240], tmp_path / "train.csv"), table[240:]
    short = rest.filter(pl.col("failed") == "no")[:2]
    notes = made(tmp_path / "p", train, "--test", write(short, tmp_path / "t.csv"))["notes"]
    assert any("t.csv: 2 rows to judge by can tell little" in one for one in notes)
    assert any('fewer than 2 test rows of 1 of 2 classes ("yes"): roc_auc cannot be measured' in one for one in notes)
    run = flyball("run", "--budget", "0.5s", folder=tmp_path / "p").answer()
    for name, found in run["metrics"]["test"].items():
        assert found["low"] is None or found["high"] is None or found["high"] > found["low"], name
    clean = made(tmp_path / "q", train, "--test", write(rest, tmp_path / "u.csv"))["notes"]
    assert not any("judge by" in one or "fewer than 2" in one for one in clean)


def test_with_rows_of_their_own_no_random_split_is_said_to_have_flattered(tmp_path: Path) -> None:
    table = machines(lives=True)
    train, test = write(table[:450], tmp_path / "train.csv"), write(table[450:], tmp_path / "test.csv")
    made(tmp_path / "p", train, "--test", test, "--group", "engine")
    run = flyball("run", "--budget", "0.5s", folder=tmp_path / "p").answer()
    assert run["split"]["kind"] == "group"
    assert run["random_gap"] is None
    assert "No split was made" in Path(run["report"]).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("lacks a column", 'did you mean "laod"?'),
        ("has another type", '"load" holds texts in test.csv and numbers'),
        ("is the training file", "holds the training rows"),
        ("repeats the training rows", "repeats the training rows"),
        ("has a class of its own", "1 class of"),
        ("has no target", 'no row with a value of "failed"'),
        ("is gone", "there is no test.csv"),
    ],
)
def test_a_test_file_that_cannot_judge_is_refused(kind: str, told: str, tmp_path: Path) -> None:
    table = machines(300)
    train, rest = table[:240], table[240:]
    changed = {
        "lacks a column": rest.rename({"load": "laod"}),
        "has another type": rest.with_columns(load=pl.lit("much")),
        "is the training file": train,
        "repeats the training rows": train[:50],
        "has a class of its own": rest.with_columns(failed=pl.Series(["maybe", *rest["failed"][1:]])),
        "has no target": rest.with_columns(failed=pl.lit(None, dtype=pl.String)),
    }
    if kind in changed:
        write(changed[kind], tmp_path / "test.csv")
    error = refused(tmp_path / "p", write(train, tmp_path / "train.csv"), "--test", tmp_path / "test.csv")
    assert told in f"{error['what']} {error['why']} {error['fix']}"
    assert error["code"] == ("FB-DATA-001" if kind == "is gone" else "FB-PIPE-011")
    if kind != "is gone":
        assert error["where"] == "--test"


def test_python_takes_test_rows_as_a_table(divided: tuple[Path, Path], tmp_path: Path) -> None:
    train, test = (pl.read_csv(path, try_parse_dates=True) for path in divided)
    made(tmp_path / "p", divided[0])
    project = fb.open(tmp_path / "p")
    dataset = project.dataset(train, test=test, target="failed", weight="weight", positive="no")
    evidence = project.learn(dataset, budget="0.5s").evidence
    assert evidence["split"]["test_rows"] == 150
    assert evidence["split"]["test_file"] == "the test table"
    assert evidence["positive_class"] == "no"
    project.close()


@pytest.mark.parametrize(("positive", "share"), [("ja", 0.75), ("Ja", 0.25)])
def test_costs_and_threshold_are_of_the_class_that_is_written_just_so(
    positive: str, share: float, divided: tuple[Path, Path], tmp_path: Path
) -> None:
    """Missing a positive row costs twenty times as much, so all are called positive, and their share is the precision."""
    made(tmp_path / "p", divided[0])
    project = fb.open(tmp_path / "p")
    noise = np.random.default_rng(5).normal(size=400)
    table = {"x": noise.tolist(), "answer": ["Ja" if row % 4 == 0 else "ja" for row in range(400)]}
    dataset = project.dataset(table, target="answer", positive=positive)
    costs = {"false_positive": 1, "false_negative": 20}
    evidence = project.learn(dataset, budget="0.5s", costs=costs).evidence
    assert (evidence["positive_class"], evidence["decision"]["positive_class"]) == (positive, positive)
    assert evidence["metrics"]["test"]["recall"]["value"] == 1
    assert evidence["metrics"]["test"]["precision"]["value"] == pytest.approx(share, abs=0.02)


# -- embargo, groups beside a time


@pytest.mark.parametrize(("embargo", "rows"), [("2d", 15), ("24", 24)])
def test_an_embargo_is_shown_wherever_the_split_is(embargo: str, rows: int, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    made(folder, whole, "--time", "when", "--embargo", embargo)
    run = flyball("run", "--budget", "0.5s", folder=folder).answer()
    assert run["split"]["embargo_rows"] == rows
    assert run["split"]["train_rows"] == 480 - rows
    said = f"an embargo of {embargo if embargo == '2d' else '24 rows'}: {rows} rows before the test"
    assert said in Path(run["report"]).read_text(encoding="utf-8")
    assert said[3:] in (Path(run["bundle"]) / "card.md").read_text(encoding="utf-8")


def test_groups_beside_a_time_may_be_purged_and_are_counted_when_they_are_not(tmp_path: Path) -> None:
    source = write(machines(lives=True), tmp_path / "all.csv")
    kept = made(tmp_path / "p", source, "--time", "when", "--group", "engine")
    assert kept["split"]["kind"] == "time"
    assert any("purge = true parts them" in one for one in kept["split"]["details"])
    parted = made(tmp_path / "q", source, "--time", "when", "--group", "engine", "--split", "time", "--purge")
    assert any("no group of the test is learned from" in one for one in parted["split"]["details"])
    shared = {}
    for place in ("p", "q"):
        split = flyball("run", "--budget", "0.3s", folder=tmp_path / place).answer()["split"]
        shared[place] = (split["shared_groups"], split["purged_rows"])
    assert shared["p"][0] > 0
    assert shared["p"][1] == 0
    assert shared["q"][0] == 0
    assert shared["q"][1] > 0


def test_what_is_said_of_purging_is_counted_after_the_split(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A split that leaves nothing out is said to, whatever the setting asks for."""
    made(tmp_path / "p", write(machines(lives=True), tmp_path / "all.csv"), "--time", "when", "--group", "engine")
    unpurged = splitting.plan_split

    def broken(rows: int, **asked: Any) -> SplitPlan:
        return unpurged(rows, **{**asked, "purge": False})

    monkeypatch.setattr(splitting, "plan_split", broken)
    project = fb.open(tmp_path / "p")
    dataset = project.dataset(machines(lives=True), target="failed", time="when", group="engine", purge=True)
    split = project.learn(dataset, budget=0.01).evidence["split"]
    assert split["shared_groups"] > 0
    assert f"{split['shared_groups']} groups of the test are learned from" in " ".join(split["details"])
    project.close()


@pytest.mark.parametrize(
    ("options", "code", "where"),
    [
        (["--embargo", "7d", "--split", "random"], "FB-CONFIG-004", "--embargo"),
        (["--embargo", "soon"], "FB-CONFIG-004", "--embargo"),
        (["--embargo", "0"], "FB-CONFIG-004", "--embargo"),
        (["--embargo", "7d", "--group", "engine"], "FB-PIPE-012", "--embargo"),
        (["--embargo", "7d", "--time", "load", "--split", "time"], "FB-PIPE-012", "--embargo"),
        (["--embargo", "900d", "--time", "when"], "FB-SPLIT-001", None),
        (["--purge", "--time", "when"], "FB-PIPE-013", "--purge"),
        (["--purge", "--group", "engine", "--time", "when"], "FB-SPLIT-001", None),
        (["--positive", "maybe"], "FB-PIPE-014", "--positive"),
        (["--time", "site"], "FB-PIPE-006", "--time"),
        (["--time", "wehn"], "FB-PIPE-002", "--time"),
        (["--weight", "site"], "FB-PIPE-003", "--weight"),
        (["--weight", "engine", "--group", "engine"], "FB-PIPE-004", "--weight"),
        (["--metric", "rmse"], "FB-METRIC-001", "--metric"),
        (["--drop", "load", "--keep", "load"], "FB-CONFIG-004", None),
        (["--personal", "engine", "--public", "engine"], "FB-CONFIG-004", "--public"),
        (["--keep", "laod"], "FB-PIPE-002", "--keep"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_and_names_the_option(
    options: list[str], code: str, where: str | None, whole: Path, tmp_path: Path
) -> None:
    error = refused(tmp_path / "p", whole, *options)
    assert error["code"] == code, error
    if where:
        assert error["where"] == where


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('embargo = "7d"', "FB-PIPE-012"),
        ('positive = "maybe"', "FB-PIPE-014"),
        ('time = "site"', "FB-PIPE-006"),
        ('weight = "site"', "FB-PIPE-003"),
        ('keep = ["laod"]', "FB-PIPE-002"),
        ("purge = true", "FB-PIPE-013"),
        ("embargo = true", "FB-CONFIG-004"),
        ('embargo = "24"', "FB-CONFIG-004"),
    ],
)
def test_in_the_project_file_the_line_is_named(line: str, code: str, tmp_path: Path) -> None:
    table = machines(200).drop("when")
    folder = tmp_path / "p"
    made(folder, write(table.sample(fraction=1, shuffle=True, seed=3), tmp_path / "all.csv"))
    file = folder / "flyball.toml"
    file.write_text(file.read_text("utf-8").replace('budget = "60s"', f'budget = "1s"\n{line}'), encoding="utf-8")
    number = file.read_text("utf-8").split("\n").index(line) + 1
    error = flyball("run", folder=folder).error(2)
    assert error["code"] == code
    assert f"flyball.toml:{number}" in error["where"]


def test_the_python_interface_holds_choices_to_the_same_rules(whole: Path, tmp_path: Path) -> None:
    made(tmp_path / "p", whole)
    project = fb.open(tmp_path / "p")
    with pytest.raises(fb.BadInput, match="has no unit") as caught:
        project.dataset(whole, target="failed", embargo="7")
    assert caught.value.where == "the argument embargo"
    with pytest.raises(fb.BadInput, match="needs an order in time"):
        project.dataset(whole, target="failed", embargo="7d", split="group", group="engine")
    project.close()


def test_init_writes_every_choice_so_that_the_run_makes_it(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    options = ["--time", "when", "--group", "engine", "--embargo", "24", "--positive", "no", "--weight", "weight",
               "--metric", "average_precision", "--drop", "site", "--drop", "heat", "--keep", "alarm",
               "--personal", "engine"]  # fmt: skip
    made(folder, whole, *options)
    config = fb.open(folder).config
    model, data = config.model["plant"], config.data["plant"]
    assert (data.time, data.entity, data.personal) == ("when", "engine", ("engine",))
    assert (model.embargo, model.positive, model.weight, model.metric) == (24, "no", "weight", "average_precision")
    assert (model.drop, model.keep) == (("site", "heat"), ("alarm",))
    text = (folder / "flyball.toml").read_text(encoding="utf-8")
    assert 'time = "when"   # when a row was observed' in text
