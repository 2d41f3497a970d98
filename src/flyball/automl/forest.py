"""Forests of extremely randomised trees for many classes, as a candidate of the search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from flyball.automl.allowance import Allowance, Cost, tree_us
from flyball.automl.budget import Budget
from flyball.automl.candidates import Grown, Result, collect
from flyball.automl.losses import Loss
from flyball.automl.pipeline import Member
from flyball.automl.problem import Indices, Problem, View
from flyball.trees import LeafForest, TreeEnsemble

__all__ = ["Forest", "ForestSettings", "Planted", "forest_for", "plant"]

_MOST_ROWS = 30_000
_AT_ONCE = 4  # trees between two looks at the clock
_LEAST_TREES = 8
_SHARE = 0.35  # of what all trees of the artefact may cost
_HEATS = np.exp(np.linspace(np.log(0.25), np.log(8.0), 61))
Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class ForestSettings:
    """`least_rows` of a leaf: those that are tried; `pseudo`: rows of the whole that each leaf counts beside its own."""

    name: str
    trees: int = 40
    least_rows: tuple[int, ...] = (1, 3)
    pseudo: float = 0.3


@dataclass(frozen=True, slots=True)
class Planted:
    """Forests of one fold, one per `least_rows`; stopped: the deadline ended them before all trees were grown."""

    forests: tuple[LeafForest, ...]
    stopped: bool


@dataclass(frozen=True)
class Forest:
    """A forest on all rows. Its folds choose how small leaves may be, and one factor that its margins are multiplied with.

    A leaf says of a class, log(1 + rows of the class / (pseudo * share of the class)), which is log-odds against the
    classes that it never saw, but for a constant. Trees are averaged in margins and not in probabilities, so that a forest
    is a sum as every other member is; with the factor this costs no accuracy.
    """

    settings: ForestSettings
    allowance: Allowance
    bag: bool = False
    family: str = "forest"

    @property
    def name(self) -> str:
        return self.settings.name

    def fit(self, view: View, stop: Stop) -> Planted:
        return plant(view.problem, view.fit, self.settings, number=view.number, stop=stop, matrix=view.bare[0])

    def gather(self, views: Sequence[View], fits: Sequence[Any]) -> Result:
        found: list[Result] = []
        for place, least in enumerate(self.settings.least_rows):
            forests = [fit.forests[place] for fit in fits if len(fit.forests) > place]
            if len(forests) < len(fits):
                break
            leaves = np.mean([len(forest.table) / forest.trees for forest in forests])
            leaves *= views[0].problem.rows / np.mean([len(view.fit) for view in views])
            trees = min(self._room(float(leaves), views[0].problem.outputs), *(forest.trees for forest in forests))
            margins = [
                forest.of_trees(trees).predict(view.bare[1]) for view, forest in zip(views, forests, strict=True)
            ]
            heat = _best_heat(views, margins)
            chosen = {"least_rows": least, "trees": trees, "heat": heat}
            stopped = any(fit.stopped for fit in fits)
            heated = [heat * margin for margin in margins]
            cost = _cost(trees, float(leaves), views[0].problem.outputs)
            found.append(collect(self, views, (), heated, chosen=chosen, stopped=stopped, cost=cost))
        return min(found, key=lambda result: result.score)

    def grow(self, result: Result, weight: float, budget: Budget, *, folds: int) -> Grown:  # noqa: ARG002 - the protocol's
        problem = result.views[0].problem
        least, trees, heat = (result.chosen[name] for name in ("least_rows", "trees", "heat"))
        settings = replace(self.settings, trees=trees, least_rows=(least,))
        # by its own measure: what is cut off at its start would be no model at all
        stop = budget.within(max(0.5, 2 * self.refit_seconds(result)))
        fit = plant(problem, np.arange(problem.rows), settings, number=len(problem.folds), stop=stop)
        grown = Grown([], {})
        forest = fit.forests[0].scaled(heat)
        sources = problem.frame.sources
        grown.members.append(Member(self.name, "forest", weight, sources, candidate=self.name, forest=forest))
        if fit.stopped:
            grown.notes.append(f"no time was left for all trees of {self.name}: {forest.trees} of {trees} are used")
        return grown

    def refit_seconds(self, result: Result) -> float:
        """How long a forest on all rows is expected to take, alone on the machine."""
        share = result.views[0].problem.refit_share(len(result.views))
        return float(share * result.seconds / len(self.settings.least_rows))

    def _room(self, leaves: float, outputs: int) -> int:
        """How many trees of so many leaves stand within a share of the allowance."""
        none, hundred = _cost(0, leaves, outputs), _cost(100, leaves, outputs)
        by_size = self.allowance.leaves * _SHARE / hundred.leaves
        by_time = (self.allowance.row_us * _SHARE - none.row_us) / (hundred.row_us - none.row_us)
        return max(_LEAST_TREES, int(100 * min(by_size, by_time)))


def _cost(trees: int, leaves: float, outputs: int) -> Cost:
    size = trees * leaves * (1 + outputs / 27)  # a byte for each output, beside the tree's own 27
    return Cost(int(size), 6.0 + trees * (tree_us(int(leaves)) + 0.004 * outputs))


def forest_for(problem: Problem, allowance: Allowance) -> Forest | None:
    """The candidate, for more than two classes: with one output it gains next to nothing over boosting."""
    return Forest(ForestSettings("extra trees"), allowance) if problem.task == "multiclass" else None


def plant(
    problem: Problem,
    rows: Indices,
    settings: ForestSettings,
    *,
    number: int,
    stop: Stop,
    matrix: NDArray[np.float32] | None = None,
) -> Planted:
    """Grow forests on these rows; one that the deadline cuts short has fewer trees.

    number: takes part in the seed; matrix: (rows, features) what the rows hold, where it is not what the problem's says.
    """
    rng = np.random.default_rng([problem.seed, 37, number])
    features = problem.matrix[rows] if matrix is None else matrix
    drawn = np.sort(rng.permutation(len(rows))[:_MOST_ROWS])
    chosen, features = rows[drawn], features[drawn]
    prior = problem.prior(rows)
    forests: list[LeafForest] = []
    for least in settings.least_rows:
        seed = int(rng.integers(2**31))
        forest = _grown(problem, chosen, features, replace(settings, least_rows=(least,)), seed=seed, stop=stop)
        forests.append(_converted(forest, prior, settings.pseudo, problem.matrix.shape[1]))
        if stop():
            break
    late = len(forests) < len(settings.least_rows) or forests[-1].trees < settings.trees
    return Planted(tuple(forests), late)


@dataclass(frozen=True, slots=True)
class _Tree:
    """What is kept of a tree while its forest grows: its nodes, and the weight of each class in each leaf, most of it 0."""

    nodes: dict[str, NDArray[Any]]
    counts: csr_array


def _grown(
    problem: Problem, rows: Indices, matrix: NDArray[np.float32], settings: ForestSettings, *, seed: int, stop: Stop
) -> list[_Tree]:
    from sklearn.ensemble import ExtraTreesClassifier

    (least,), trees = settings.least_rows, settings.trees
    forest = ExtraTreesClassifier(0, min_samples_leaf=least, random_state=seed, warm_start=True, n_jobs=1)
    weight = problem.weight[rows] if problem.weighted else None
    grown: list[_Tree] = []
    while len(grown) < trees:
        forest.n_estimators = min(trees, len(grown) + _AT_ONCE)
        forest.fit(matrix, problem.target[rows].astype(np.int64), sample_weight=weight)
        grown += [_kept(one.tree_, forest.classes_, problem.outputs) for one in forest.estimators_[len(grown) :]]
        forest.estimators_ = [None] * len(grown)  # a tree holds every class at every node: ten times what is needed
        if stop():
            break
    return grown


def _kept(tree: Any, classes: NDArray[np.int64], outputs: int) -> _Tree:
    leaf, own = tree.children_left < 0, np.arange(tree.node_count)
    counts = np.zeros((int(leaf.sum()), outputs))
    counts[:, classes] = tree.value[leaf, 0] * tree.weighted_n_node_samples[leaf, None]
    nodes = {
        "feature": np.where(leaf, -1, tree.feature),
        "threshold": np.where(leaf, 0.0, tree.threshold),
        "left": np.where(leaf, own, tree.children_left),
        "right": np.where(leaf, own, tree.children_right),
        "missing_left": tree.missing_go_to_left.astype(np.bool_) & ~leaf,
        "value": np.where(leaf, np.cumsum(leaf) - 1, 0).astype(np.float64),
        "cover": tree.weighted_n_node_samples.astype(np.float64),
    }
    return _Tree(nodes, csr_array(counts))


def _converted(grown: Sequence[_Tree], prior: NDArray[np.float64], pseudo: float, features: int) -> LeafForest:
    """The trees in the shared form; their mean is taken by the step."""
    share = np.exp(prior)
    said = [np.log1p(tree.counts.data / (pseudo * share[tree.counts.indices])) for tree in grown]
    step = max(*(float(logs.max(initial=0.0)) for logs in said), 1e-9) / 255
    sizes = np.array([len(tree.nodes["feature"]) for tree in grown])
    leaves = np.array([tree.counts.shape[0] for tree in grown])
    table = np.zeros((int(leaves.sum()), len(prior)), np.uint8)
    starts, firsts = np.cumsum(sizes) - sizes, np.cumsum(leaves) - leaves
    for tree, logs, first in zip(grown, said, firsts, strict=True):
        row = np.repeat(np.arange(tree.counts.shape[0]), np.diff(tree.counts.indptr))
        table[first + row, tree.counts.indices] = np.rint(logs / step).astype(np.uint8)
    joined = {name: np.concatenate([tree.nodes[name] for tree in grown]) for name in grown[0].nodes}
    node, leaf = np.repeat(starts, sizes), np.repeat(firsts, sizes)
    joined["left"], joined["right"] = joined["left"] + node, joined["right"] + node
    joined["value"] = np.where(joined["feature"] < 0, joined["value"] + leaf, 0.0)
    paths = TreeEnsemble(
        tree_start=starts,
        tree_output=np.arange(len(grown)),
        base=np.zeros(len(grown)),
        zero_missing=np.zeros(features, np.bool_),
        **joined,
    )
    return LeafForest(paths, table, step / len(grown), prior.copy())


def _best_heat(views: Sequence[View], margins: Sequence[NDArray[np.float64]]) -> float:
    """The factor at which the folds' margins have the lowest loss."""
    problem = views[0].problem
    rows = np.concatenate([view.validate for view in views])
    margin = np.concatenate(margins)
    heats: list[float] = _HEATS.tolist()
    return min(heats, key=lambda heat: _loss(problem.loss, problem, rows, heat * margin))


def _loss(loss: Loss, problem: Problem, rows: Indices, margin: NDArray[np.float64]) -> float:
    return loss.value(margin, problem.target[rows], problem.weight[rows])
