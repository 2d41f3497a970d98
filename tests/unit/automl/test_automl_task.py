"""Which task a target asks for, and how its values become labels."""

from __future__ import annotations

import numpy as np
import pytest

from flyball.automl import TargetUnfit, infer_task
from flyball.automl.task import encode_target
from flyball_runtime.schema import Field


def texts(*values: str | None) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


@pytest.mark.parametrize(
    ("target", "task"),
    [
        (np.array([0.0, 1.0, 1.0]), "binary"),
        (np.array([3.5, 7.25, 3.5]), "binary"),
        (texts("no", "yes", "no"), "binary"),
        (texts("a", "b", "c", "a", "b", "c"), "multiclass"),
        (np.tile([1.0, 2.0, 3.0], 9), "multiclass"),
        (np.arange(40.0), "regression"),
        (np.tile([0.5, 1.5, 2.5], 9), "regression"),
    ],
)
def test_the_task_follows_type_and_number_of_values(target: np.ndarray, task: str) -> None:
    choice = infer_task(target)
    assert choice.task == task
    assert choice.why


@pytest.mark.parametrize(
    "target",
    [np.ones(9), texts("a", None, "b"), np.array([1.0, np.nan, 0.0]), texts(*[f"name {i}" for i in range(50)])],
)
def test_a_target_that_cannot_be_learned_is_refused_with_a_code(target: np.ndarray) -> None:
    with pytest.raises(TargetUnfit, match="FB-AUTOML-001"):
        infer_task(target)


def test_a_time_is_no_target() -> None:
    with pytest.raises(TargetUnfit, match="is a time"):
        infer_task(np.arange(9), Field("when", "time"))


def test_the_positive_class_comes_second() -> None:
    target = texts("good", "bad", "bad", "good")
    assert encode_target(target, "binary").classes == ("bad", "good")
    labels = encode_target(target, "binary", positive="bad")
    assert labels.classes == ("good", "bad")
    assert labels.values.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(("positive", "second"), [("1", 1), (0, 0), (True, 1), ("0", 0)])
def test_the_positive_class_may_be_named_by_its_text(positive: object, second: int) -> None:
    labels = encode_target(np.array([0.0, 1.0, 1.0]), "binary", positive=positive)
    assert labels.classes is not None
    assert labels.classes[1] == second


@pytest.mark.parametrize("positive", ["Ja", "ja"])
def test_a_class_that_is_written_just_so_comes_before_one_in_another_case(positive: str) -> None:
    labels = encode_target(texts("Ja", "ja", "ja"), "binary", positive=positive)
    assert labels.classes is not None
    assert labels.classes[1] == positive
    assert labels.values.tolist() == ([1, 0, 0] if positive == "Ja" else [0, 1, 1])


def test_a_class_in_another_case_is_found_when_it_is_the_only_one() -> None:
    assert encode_target(texts("No", "Yes"), "binary", positive="NO").classes == ("Yes", "No")


def test_a_name_that_may_be_either_of_two_classes_is_refused_with_both() -> None:
    with pytest.raises(TargetUnfit, match="Ja, ja"):
        encode_target(texts("Ja", "ja", "ja"), "binary", positive="JA")


@pytest.mark.parametrize(
    ("target", "positive", "second"),
    [([0.0, 1.0], "1", 1.0), ([0.0, 1.0], "0", 0.0), ([1, 2], "2.0", 2), ([1, 2], "1.0", 1), ([0.5, 1.5], ".5", 0.5)],
)
def test_a_number_is_found_however_it_is_written(target: list[float], positive: str, second: float) -> None:
    field = Field("y", "number", "integer" if isinstance(second, int) else "float")
    labels = encode_target(np.array(target, dtype=np.float64), "binary", field=field, positive=positive)
    assert labels.classes is not None
    assert labels.classes[1] == second


def test_an_unknown_positive_class_gets_a_near_miss() -> None:
    with pytest.raises(TargetUnfit, match='did you mean "yes"'):
        encode_target(texts("no", "yes"), "binary", positive="yess")


@pytest.mark.parametrize(
    ("target", "field", "classes", "kind"),
    [
        (np.array([0.0, 1.0]), Field("y", "number", "boolean"), (False, True), "boolean"),
        (np.array([2.0, 7.0]), Field("y", "number", "integer"), (2, 7), "integer"),
        (np.array([0.5, 1.5]), None, (0.5, 1.5), "number"),
    ],
)
def test_classes_come_back_in_the_targets_own_type(
    target: np.ndarray, field: Field | None, classes: tuple[object, ...], kind: str
) -> None:
    labels = encode_target(target, "binary", field=field)
    assert labels.classes == classes
    assert [type(value) for value in labels.classes] == [type(value) for value in classes]
    assert labels.class_type == kind


def test_infinite_values_are_no_regression_target() -> None:
    with pytest.raises(TargetUnfit, match="infinite"):
        encode_target(np.array([1.0, np.inf, 2.0]), "regression")


@pytest.mark.parametrize(
    ("target", "task", "positive"),
    [
        (np.ones(9), None, None),
        (texts("a", None, "b"), None, None),
        (texts(*[f"name {i}" for i in range(50)]), None, None),
        (texts("a", "b"), "regression", None),
        (np.array([1.0, np.inf]), "regression", None),
        (np.array([1.0, 2.0, 3.0]), "binary", None),
        (np.arange(300.0), "multiclass", None),
        (np.ones(4), "multiclass", None),
        (texts("no", "yes"), "binary", "zzz"),
    ],
)
def test_a_refused_target_says_why_and_what_to_do(target: np.ndarray, task: str | None, positive: str | None) -> None:
    with pytest.raises(TargetUnfit) as caught:
        encode_target(target, task, positive=positive) if task else infer_task(target)  # type: ignore[arg-type]
    assert caught.value.why
    assert caught.value.fix
