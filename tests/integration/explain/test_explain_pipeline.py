"""Explanations of whole pipelines: exact, per raw column, readable, and silent about what is hidden."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from flyball.explain import AttributionsDoNotSum, effects, explain, global_importance
from flyball.explain.summary import HiddenColumn, UnknownColumn
from flyball.trees import TreeAttributor

TASKS = ("binary", "multiclass", "regression")


@pytest.mark.parametrize("task", TASKS)
def test_base_and_shares_add_up_to_the_calibrated_margin(pipelines, rows, hostile, task) -> None:
    for table in (rows(300), hostile):
        explanation = explain(pipelines[task], table)
        margin = pipelines[task].margins(table)
        assert np.array_equal(explanation.margin, margin)
        total = explanation.base + explanation.values.sum(axis=1)
        assert (np.abs(total - margin) / np.maximum(1, np.abs(margin))).max() <= 1e-6


@pytest.mark.parametrize("task", TASKS)
def test_predictions_are_the_pipelines(pipelines, rows, task) -> None:
    table = rows()
    explanation, outcome = explain(pipelines[task], table), pipelines[task].predict(table)
    if task == "regression":
        assert np.array_equal(explanation.prediction, outcome["prediction"])
    else:
        assert np.array_equal(explanation.probability, outcome["probability"])
        names = np.array(pipelines[task].classes, object)
        assert explanation.prediction.tolist() == names[outcome["class_index"]].tolist()


def test_every_raw_column_that_is_read_appears_once_and_no_other(pipelines, rows) -> None:
    explanation = explain(pipelines["binary"], rows())
    assert explanation.columns == ("torque", "worn", "opened", "site", "noise")
    assert explanation.values.shape == (60, 5, 1)


def test_the_columns_that_drive_the_target_get_the_largest_shares(pipelines, rows) -> None:
    pipeline = pipelines["regression"]
    trees_only = type(pipeline)(pipeline.frame, "regression", pipeline.members[:2], pipeline.calibration)
    ranked = [item.column for item in global_importance(trees_only, rows(400), seed=1)]
    assert set(ranked[:3]) == {"torque", "worn", "site"}


def test_linear_shares_are_coefficient_times_distance_from_the_mean(pipelines, rows) -> None:
    pipeline, table = pipelines["regression"], rows()
    member = pipeline.members[2]
    only = type(pipeline)(pipeline.frame, "regression", (member,), pipeline.calibration)
    explanation = explain(only, table)
    model = member.linear
    place = pipeline.frame.sources.index("noise")
    number = model.features.tolist().index(place)
    slope = pipeline.calibration.slope * member.weight * model.coef[number, 0] / model.scale[number]
    shares = explanation.values[:, explanation.columns.index("noise"), 0]
    noise = table["noise"]
    assert shares[3] - shares[8] == pytest.approx(slope * (np.float32(noise[3]) - np.float32(noise[8])), rel=1e-9)


@pytest.mark.parametrize("task", TASKS)
def test_a_row_alone_is_explained_as_it_is_among_others(pipelines, rows, task) -> None:
    table = rows()
    whole = explain(pipelines[task], table)
    alone = explain(pipelines[task], table.take(np.array([17])))
    assert np.abs(whole.values[17] - alone.values[0]).max() <= 1e-12


def test_plain_columns_of_python_values_are_explained_like_a_table(pipelines, rows) -> None:
    table = rows(4)
    plain = {name: table[name].tolist() for name in table.names}
    plain["opened"] = table["opened"]
    assert np.array_equal(explain(pipelines["binary"], plain).values, explain(pipelines["binary"], table).values)


def test_shares_that_do_not_add_up_are_an_internal_error(pipelines, rows, monkeypatch) -> None:
    true_values = TreeAttributor.values
    monkeypatch.setattr(TreeAttributor, "values", lambda self, X: true_values(self, X) + 1e-4)
    with pytest.raises(AttributionsDoNotSum, match="FB-EXPLAIN-001"):
        explain(pipelines["binary"], rows())


def test_reasons_are_ordered_by_size_and_carry_raw_values(pipelines, rows) -> None:
    table = rows()
    explanation = explain(pipelines["binary"], table)
    reasons = explanation.row(5)
    sizes = [abs(reason.contribution) for reason in reasons]
    assert sizes == sorted(sizes, reverse=True)
    by_name = {reason.column: reason for reason in reasons}
    assert by_name["torque"].value == table["torque"][5]
    assert by_name["torque"].shown.endswith(" Nm")
    assert by_name["worn"].value in (True, False)
    assert by_name["site"].value == table["site"][5]
    assert by_name["opened"].value.startswith("202")


def test_multiclass_reasons_are_about_the_predicted_class_or_the_one_asked_for(pipelines, rows) -> None:
    explanation = explain(pipelines["multiclass"], rows())
    for row in range(10):
        told = explanation.row_dict(row)
        assert told["about"] == told["prediction"] == explanation.prediction[row]
    other = explanation.row_dict(0, output=2)
    assert other["about"] == "middle"
    assert other["base"] + sum(one["contribution"] for one in other["reasons"]) == pytest.approx(other["margin"])


def test_binary_reasons_are_about_the_positive_class(pipelines, rows) -> None:
    explanation = explain(pipelines["binary"], rows())
    assert {explanation.row_dict(row)["about"] for row in range(60)} == {1}


@pytest.mark.parametrize("task", TASKS)
def test_explanations_are_strict_json_even_for_hostile_rows(pipelines, hostile, task) -> None:
    document = json.loads(json.dumps(explain(pipelines[task], hostile).to_dict(), allow_nan=False))
    for told in document["rows"]:
        assert told["base"] + sum(one["contribution"] for one in told["reasons"]) == pytest.approx(told["margin"])
    values = {one["column"]: one["value"] for one in document["rows"][0]["reasons"]}
    assert set(values.values()) == {None}


@pytest.mark.parametrize("index", [60, -61])
def test_a_row_that_does_not_exist_is_an_index_error(pipelines, rows, index) -> None:
    explanation = explain(pipelines["binary"], rows())
    with pytest.raises(IndexError):
        explanation.row(index)
    with pytest.raises(IndexError):
        explanation.row(0, output=1)


def test_hidden_values_appear_nowhere(pipelines, rows) -> None:
    table = rows(3)
    secret = np.array(["agent smith"] * 3, object)
    table = table.with_column(table.schema["site"], secret)
    explanation = explain(pipelines["binary"], table, hide=("site",))
    said = json.dumps(explanation.to_dict()) + explanation.to_text(0) + explanation._repr_html_()
    assert "smith" not in said
    assert "site" in said
    with pytest.raises(HiddenColumn):
        explanation.effects("site")


@pytest.mark.parametrize("task", TASKS)
def test_text_leads_from_the_average_to_the_score(pipelines, rows, task) -> None:
    text = explain(pipelines[task], rows()).to_text(3)
    lines = text.splitlines()
    assert lines[0].startswith("prediction ")
    assert lines[1].strip().startswith("average over the training rows")
    assert "of this row" in lines[-1]
    assert len(lines) == 3 + 5
    assert max(map(len, lines)) <= 100


def test_text_folds_the_smallest_shares_into_one_line(pipelines, rows) -> None:
    explanation = explain(pipelines["binary"], rows())
    lines = explanation.to_text(3, most=2).splitlines()
    assert len(lines) == 6
    assert lines[4].strip().startswith("3 columns more")


def test_the_notebook_form_has_no_script_and_escapes_what_the_data_say(pipelines, hostile) -> None:
    page = explain(pipelines["multiclass"], hostile)._repr_html_()
    assert page.count("<svg") == 5
    assert "<script" not in page
    assert "nörth <b>" not in page
    assert "nörth &lt;b&gt;" in page


def test_importance_is_the_mean_size_with_an_interval_and_replays(pipelines, rows) -> None:
    explanation = explain(pipelines["multiclass"], rows(200))
    found = explanation.importance(seed=3)
    assert found == explanation.importance(seed=3) == global_importance(pipelines["multiclass"], rows(200), seed=3)
    sizes = np.abs(explanation.decisive).mean(axis=0)
    for one in found:
        assert one.value == pytest.approx(sizes[explanation.columns.index(one.column)])
        assert 0 <= one.low < one.value < one.high
    assert [one.value for one in found] == sorted((one.value for one in found), reverse=True)


def test_the_importance_interval_holds_the_truth_about_as_often_as_it_says(pipelines, rows) -> None:
    explanation = explain(pipelines["binary"], rows(4000, seed=8))
    truth = {one.column: one.value for one in explanation.importance()}
    hits = []
    for draw in range(40):
        part = explain(pipelines["binary"], rows(100, seed=100 + draw))
        hits += [one.low <= truth[one.column] <= one.high for one in part.importance(seed=draw)]
    assert 0.80 <= np.mean(hits) <= 0.97


def test_one_row_leaves_the_interval_open_and_says_so_in_json(pipelines, rows) -> None:
    (first, *_) = explain(pipelines["binary"], rows(1)).importance()
    assert first.low == 0
    assert math.isinf(first.high)
    assert first.to_dict()["high"] is None


def test_effects_cover_every_row_once_in_the_order_of_the_values(pipelines, rows) -> None:
    table = rows(500)
    for column in ("torque", "worn", "opened", "site", "noise"):
        bins = effects(pipelines["regression"], table, column)
        assert sum(one["rows"] for one in bins) == 500
        assert 2 <= len(bins) <= 9
    torque = effects(pipelines["regression"], table, "torque")
    assert torque[-1]["label"] == "missing"
    values = [one["value"] for one in torque[:-1]]
    assert abs(np.corrcoef(values, range(len(values)))[0, 1]) > 0.9
    assert [one["label"] for one in effects(pipelines["regression"], table, "worn")] == ["false", "true"]
    assert {one["label"] for one in effects(pipelines["regression"], table, "site")} == {
        "north",
        "south",
        "east",
        "missing",
    }
    assert effects(pipelines["regression"], table, "opened")[0]["label"].startswith("2020-")


def test_rare_levels_share_one_bin(pipelines, rows) -> None:
    bins = explain(pipelines["regression"], rows(200)).effects("site", bins=2)
    assert [one["label"] for one in bins[1:]] == ["2 others", "missing"]


def test_effects_of_hostile_rows_are_given_without_a_warning(pipelines, hostile) -> None:
    for column in ("torque", "opened", "noise"):
        assert sum(one["rows"] for one in effects(pipelines["binary"], hostile, column, bins=2)) == 5


def test_an_unknown_column_is_refused_with_the_nearest_name(pipelines, rows) -> None:
    with pytest.raises(UnknownColumn, match="torque"):
        effects(pipelines["binary"], rows(), "torqe")
