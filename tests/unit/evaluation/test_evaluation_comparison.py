"""Two models on the same rows: what is hard for both cancels, and equal models differ no more often than stated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flyball.evaluation import NotEnoughData, compare
from flyball.evaluation.auc import paired_auc


def labelled(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    signal = rng.normal(size=rows)
    return signal, (rng.random(rows) < 1 / (1 + np.exp(-2 * signal))).astype(int)


def outputs(signal: np.ndarray, noise: np.ndarray) -> dict[str, np.ndarray]:
    chance = 1 / (1 + np.exp(-2 * (signal + noise)))
    return {"probability": np.column_stack([1 - chance, chance]), "prediction": (chance > 0.5).astype(int)}


@pytest.mark.parametrize("weighted", [False, True])
def test_equal_models_differ_clearly_in_no_more_than_a_tenth_of_trials(weighted: bool) -> None:
    trials, differing = 90, dict.fromkeys(("roc_auc", "log_loss", "accuracy", "f1"), 0)
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        signal, label = labelled(rng, 300)
        ours, theirs = (outputs(signal, 0.4 * rng.normal(size=300)) for _ in range(2))
        weights = rng.uniform(0.5, 1.5, 300) if weighted else None
        found = compare("binary", label, ours, theirs, classes=[0, 1], weights=weights, seed=seed, replicates=400)
        for name in differing:
            differing[name] += found[name].outcome != "no clear difference"
    assert max(differing.values()) <= 0.19 * trials  # 0.10 expected; above 0.19 in half a percent of such experiments


def test_pairing_sees_what_two_separate_intervals_cannot() -> None:
    rng = np.random.default_rng(1)
    signal, label = labelled(rng, 1500)
    shared = 0.3 * rng.normal(size=1500)
    better, worse = outputs(signal, shared), outputs(signal, shared + 0.35 * rng.normal(size=1500))
    found = compare("binary", label, better, worse, classes=[0, 1])
    assert found["roc_auc"].outcome == found["log_loss"].outcome == "better"
    assert found["log_loss"].difference.value < 0 < found["roc_auc"].difference.value
    assert found["roc_auc"].p_value < 0.01
    reverse = compare("binary", label, worse, better, classes=[0, 1])
    assert reverse["roc_auc"].outcome == "worse"
    assert reverse["roc_auc"].difference.value == pytest.approx(-found["roc_auc"].difference.value)


def test_a_model_does_not_differ_from_itself() -> None:
    signal, label = labelled(np.random.default_rng(2), 200)
    same = outputs(signal, np.zeros(200))
    for one in compare("binary", label, same, same, classes=[0, 1]).values():
        assert (one.difference.value, one.difference.low, one.difference.high) == (0, 0, 0)
        assert (one.p_value, one.outcome) == (1.0, "no clear difference")


def test_the_p_value_and_the_interval_agree() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        signal, label = labelled(rng, 250)
        ours, theirs = outputs(signal, 0.2 * rng.normal(size=250)), outputs(signal, 0.5 * rng.normal(size=250))
        for name, one in compare("binary", label, ours, theirs, classes=[0, 1]).items():
            clear = one.difference.low > 0 or one.difference.high < 0
            if abs(one.p_value - 0.10) > 0.02:
                assert clear == (one.p_value < 0.10), (seed, name, one)


def test_rows_of_one_group_are_one_piece_of_evidence() -> None:
    """Ten groups, in each of which one model is better on every row by chance of the group."""
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(10), 100)
    truth = rng.normal(size=1000)
    lean = rng.normal(size=10)[group]
    ours, theirs = {"prediction": truth + 1 + 0.2 * lean}, {"prediction": truth + 1}
    alone = compare("regression", truth, ours, theirs)["mae"]
    together = compare("regression", truth, ours, theirs, groups=group)["mae"]
    width = lambda one: one.difference.high - one.difference.low  # noqa: E731
    assert width(together) > 5 * width(alone)


def test_classes_and_numbers_are_compared_by_all_their_metrics() -> None:
    rng = np.random.default_rng(4)
    names = np.array(["a", "b", "c"], dtype=object)
    truth = names[rng.integers(0, 3, 400)]

    def classified(skill: float) -> dict[str, Any]:
        raw = rng.random((400, 3)) + skill * (truth[:, None] == names)
        chance = raw / raw.sum(axis=1, keepdims=True)
        return {"probability": chance, "prediction": names[chance.argmax(axis=1)]}

    found = compare("multiclass", truth, classified(1.0), classified(0.2), classes=names)
    assert {"roc_auc", "log_loss", "accuracy", "balanced_accuracy", "macro_f1"} <= set(found)
    assert found["accuracy"].outcome == "better"
    value = rng.normal(size=400)
    close, far = ({"prediction": value + spread * rng.normal(size=400)} for spread in (0.1, 1.0))
    assert compare("regression", value, close, far)["rmse"].outcome == "better"


def test_one_group_or_no_row_is_not_enough() -> None:
    value = np.arange(20.0)
    one = compare("regression", value, {"prediction": value}, {"prediction": value + 1}, groups=np.zeros(20))["mae"]
    assert one.outcome == "not enough data"
    assert one.to_dict()["p_value"] is None
    with pytest.raises(NotEnoughData):
        compare("regression", value[:0], {"prediction": value[:0]}, {"prediction": value[:0]})


def test_delongs_variance_is_that_of_the_paper_for_correlated_curves() -> None:
    """Against the definition: covariances of the placement values of both scores."""
    rng = np.random.default_rng(5)
    signal, label = labelled(rng, 120)
    first, second = signal + rng.normal(size=120), signal + 0.5 * rng.normal(size=120)
    positive = label == 1

    def placements(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        above = (score[positive][:, None] > score[~positive][None, :]).astype(float)
        return above.mean(axis=1), above.mean(axis=0)

    (v10a, v01a), (v10b, v01b) = placements(first), placements(second)
    variance = (v10a - v10b).var(ddof=1) / positive.sum() + (v01a - v01b).var(ddof=1) / (~positive).sum()
    mine, other, interval, _ = paired_auc([first], [second], [positive])
    assert (mine, other) == (pytest.approx(v10a.mean()), pytest.approx(v10b.mean()))
    half = (interval.high - interval.low) / 2
    from scipy.special import stdtrit

    assert half == pytest.approx(stdtrit(119, 0.95) * np.sqrt(variance), rel=1e-9)


def test_two_rows_cannot_tell_two_models_apart() -> None:
    truth = np.array([0, 1])
    sides = [{"probability": np.column_stack([1 - chance, chance]), "prediction": np.array(said)}
             for chance, said in ((np.array([0.1, 0.9]), [0, 1]), (np.array([0.5, 0.5]), [1, 1]))]  # fmt: skip
    found = compare("binary", truth, *sides, classes=[0, 1])
    assert found["balanced_accuracy"].difference.value == 0.5
    assert found["balanced_accuracy"].outcome == "not enough data"
    truth = np.repeat(truth, 4)
    sides = [{"probability": np.repeat(side["probability"], 4, axis=0), "prediction": np.repeat(side["prediction"], 4)}
             for side in sides]  # fmt: skip
    assert compare("binary", truth, *sides, classes=[0, 1])["roc_auc"].outcome == "not enough data"
