"""The project file is read strictly, and every complaint says where."""

from __future__ import annotations

import pytest

from flyball.config import (
    ConfigInvalid,
    ConfigMissing,
    ConfigSyntax,
    ConfigUnknownKey,
    ConfigUnreadable,
    DurationInvalid,
    Effort,
    load_project,
    parse_duration,
    parse_project,
    write_project,
)

GOOD = """\
[project]
name = "machines"

[data.telemetry]
source = "data/telemetry.parquet"
time = "ts"
personal = ["operator"]

[model.failure]
data = "telemetry"
target = "failed"
metric = "average_precision"
budget = "10m"
latency = "2ms"
positive = 1
seed = 7

[gate.production]
average_precision = ">= 60%"
calibration_error = { max = 0.03, of = "high" }
beats_baseline = true
no_worse_than = "production"
"""


def test_a_whole_file_is_read_into_its_sections():
    config = parse_project(GOOD)
    assert config.model["failure"].data == ("telemetry",)
    assert (config.model["failure"].budget, config.model["failure"].latency) == (Effort(600.0), 0.002)
    assert config.data["telemetry"].personal == ("operator",)
    assert config.gate["production"].raw == {
        "average_precision": {"min": 0.6, "of": "value"},
        "calibration_error": {"max": 0.03, "of": "high"},
        "beats_baseline": True,
        "no_worse_than": "production",
    }


def test_every_value_knows_its_line_and_absent_ones_their_section():
    config = parse_project(GOOD)
    assert config.where("gate.production.average_precision") == "flyball.toml:19"
    assert config.where("model.failure.split") == "flyball.toml:9"
    assert config.where("gate.staging") == "flyball.toml:18"
    assert parse_project('[project]\nname = "x"').where("gate.production.r2") == "flyball.toml"


@pytest.mark.parametrize(
    ("old", "new", "error", "where", "said"),
    [
        ("budget =", "budgte =", ConfigUnknownKey, "flyball.toml:13:1, model.failure.budgte", '"budget"'),
        ("[gate.prod", "[gates.prod", ConfigUnknownKey, "flyball.toml:18:1, gates", '"gate"'),
        ("average_precision =", "average_precison =", ConfigUnknownKey, "flyball.toml:19:1", '"average_precision"'),
        ('">= 60%"', '"about 60"', ConfigInvalid, "flyball.toml:19:1, gate.production.average_precision", ">= 0.60"),
        ('of = "high"', 'off = "high"', ConfigUnknownKey, "flyball.toml:20:35", "min, max and of"),
        ("max = 0.03", "max = 0.03, min = 1", ConfigInvalid, "flyball.toml:20:1", "nothing can pass"),
        ('"10m"', '"10 min"', ConfigInvalid, "flyball.toml:13:1, model.failure.budget", "not a length of time"),
        ("seed = 7", "seed = -1", ConfigInvalid, "flyball.toml:16:1, model.failure.seed", "greater"),
        ("seed = 7", 'seed = "7"', ConfigInvalid, "flyball.toml:16:1, model.failure.seed", "integer"),
        ('data = "telemetry"', 'data = "telemtry"', ConfigInvalid, "flyball.toml:10:1", '"telemetry"'),
        ('metric = "average_precision"', 'metric = "AUC"', ConfigInvalid, "flyball.toml:12:1", '"roc_auc"'),
        ("seed = 7", 'drop = ["failed"]', ConfigInvalid, "flyball.toml:9:1", "stands in drop"),
        ("seed = 7", 'keep = ["failed"]', ConfigInvalid, "flyball.toml:9:1", "stands in keep"),
        ("[gate.production]", "[gate.latest]", ConfigInvalid, "flyball.toml:18:1", "reserved"),
        ("[data.telemetry]", '[data."a/b"]', ConfigInvalid, "flyball.toml:4:1", "cannot name a dataset"),
        ("[data.telemetry]", "[data]", ConfigInvalid, "flyball.toml:5:1", "[data.NAME]"),
        ('name = "machines"', "", ConfigInvalid, "flyball.toml:1:1, project.name", '"name" is missing'),
        ('target = "failed"', "target = failed", ConfigSyntax, "flyball.toml:11:10", "invalid value"),
        ('target = "failed"', 'target = "failed', ConfigSyntax, "flyball.toml:11:", "illegal character"),
        ("[gate.production]", "[model.failure]", ConfigSyntax, "flyball.toml:18:", "twice"),
    ],
)
def test_a_mistake_is_named_with_line_key_and_remedy(old, new, error, where, said):
    assert old in GOOD
    with pytest.raises(error) as caught:
        parse_project(GOOD.replace(old, new, 1))
    assert (caught.value.where or "").startswith(where)
    assert said in str(caught.value)


def test_several_mistakes_are_told_at_once_in_the_order_of_the_file():
    broken = GOOD.replace("time =", "tiem =").replace("seed = 7", "sead = 7").replace('"10m"', '"soon"')
    with pytest.raises(ConfigUnknownKey) as caught:
        parse_project(broken)
    assert "tiem" in caught.value.what
    assert [":13:" in fact or ":16:" in fact for fact in caught.value.facts.values()] == [True, True]


def test_a_missing_unreadable_or_foreign_file_is_refused(tmp_path):
    with pytest.raises(ConfigMissing, match=r"no flyball\.toml"):
        load_project(tmp_path)
    (tmp_path / "flyball.toml").write_bytes(b'[project]\nname = "\xff"\n')
    with pytest.raises(ConfigUnreadable, match="not UTF-8"):
        load_project(tmp_path / "flyball.toml")
    with pytest.raises(ConfigMissing):
        load_project(tmp_path / "nowhere" / "flyball.toml")


def test_paths_start_from_the_project_folder(tmp_path):
    (tmp_path / "flyball.toml").write_text(GOOD, encoding="utf-8")
    config = load_project(tmp_path)
    assert config.resolve("data/telemetry.parquet") == tmp_path.resolve() / "data" / "telemetry.parquet"
    assert config.store_url == f"sqlite:///{tmp_path.resolve()}/.flyball/flyball.db"
    assert parse_project(GOOD.replace("[data", 'store = "postgresql://h/d"\n[data', 1)).store_url == "postgresql://h/d"


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("10m", 600), ("1h30m", 5400), ("2ms", 0.002), ("1.5h", 5400), ("7", 7), (3, 3)]
)
def test_durations_are_read_with_their_units(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "5 apples", "-3s", "1m!", float("nan"), -1, True, "m5"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(DurationInvalid, match="length of time"):
        parse_duration(text)


def test_what_init_writes_is_read_back_as_it_was_meant():
    text = write_project(
        name="machines",
        source='data/"odd" \\ name\n.csv',
        target="Machine failure",
        positive=1,
        time="ts",
        split="time",
        drop=["TWF", "µ"],
        personal=["E-mail"],
        gate={"roc_auc": ">= 0.9", "beats_baseline": True},
        findings=['"TWF" implies the target\n[gate.production]\nevil = true', "x" * 300],
    )
    config = parse_project(text)
    assert config.data["machines"].source == 'data/"odd" \\ name\n.csv'
    assert (config.data["machines"].time, config.data["machines"].personal) == ("ts", ("E-mail",))
    model = config.model["machines"]
    assert (model.target, model.positive, model.split, model.drop) == ("Machine failure", 1, "time", ("TWF", "µ"))
    assert [rule.text for rule in config.gate["production"].rules] == ["roc_auc >= 0.9"]
    assert "evil" not in config.model_dump_json()


def test_a_freshly_written_file_gates_on_beating_the_baseline():
    config = parse_project(write_project(name="m", source="m.csv", target="y"))
    assert config.gate["production"].beats_baseline
    assert config.model["m"].budget == Effort(60)
