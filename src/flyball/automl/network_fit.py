"""Fits small neural networks: stochastic gradients with Adam in float32, under a deadline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.automl.linear import CategoryTable
from flyball.automl.losses import Loss
from flyball.automl.network import PIECE_STEPS, NetworkModel
from flyball.automl.problem import Indices, Problem

__all__ = ["CHECKPOINTS", "NetworkSettings", "Trained", "fit_network", "readable", "seconds_per_epoch"]

CHECKPOINTS = 10  # moments of a training that the folds choose from
_MOST_NUMBERS = 400
_MOST_PIECES = 640  # of all numbers together
_MOST_LEVELS = 1_000  # of all categories together
_MOST_ROWS = 100_000
_SAMPLE_CELLS = 2_000_000  # that the pieces are chosen by
_BLOCK_ROWS = 8_192
_WARM = 0.05  # of the steps, before the rate is reached
_MEMORY = 0.99  # of the weights' running mean, towards the end of training
_NARROWEST = 1e-30
_ROBUST = 0.2  # standard deviations within which an error's slope grows
Floats32 = NDArray[np.float32]
Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """One way to train. `pieces` of a number, `hidden` units of the two layers, `decay` of weights per unit of rate."""

    name: str
    hidden: tuple[int, int] = (160, 64)
    pieces: int = 32
    epochs: int = 30
    rate: float = 3e-3
    decay: float = 0.05
    dropout: float = 0.1
    batch: int = 128


@dataclass(frozen=True, slots=True)
class Trained:
    """A network at its checkpoints; stopped: the deadline ended it before the last one."""

    models: tuple[NetworkModel, ...]
    stopped: bool


def readable(problem: Problem) -> bool:
    """Whether the problem has numbers or categories that a small network can read, and not too many of them."""
    numbers, tables = _inputs(problem)
    return len(numbers) + len(tables) > 0 and len(numbers) <= _MOST_NUMBERS


def fit_network(
    problem: Problem,
    rows: Indices,
    settings: NetworkSettings,
    *,
    number: int,
    stop: Stop,
    checkpoints: int = CHECKPOINTS,
    matrix: Floats32 | None = None,
) -> Trained:
    """Train on these rows, up to the given checkpoint; what the deadline cuts short is still a network.

    number: which of several trainings this is; it takes part in the seed. Weights of a checkpoint are a running mean.
    matrix: (rows, features) what the rows hold, where it is not what the problem's matrix says of them.
    """
    rng = np.random.default_rng([problem.seed, 31, number])
    features = problem.matrix[rows] if matrix is None else matrix
    drawn = np.sort(rng.permutation(len(rows))[:_MOST_ROWS])
    rows, features = rows[drawn], features[drawn]
    shape = _Shape.of(problem, settings)
    inputs, target, weight = shape.inputs(features), problem.target[rows], problem.weight[rows]
    net = _Net.started(shape, inputs, problem.prior(rows), rng)
    batch = _batch(settings, len(rows))
    steps = max(1, len(rows) // batch)
    total = settings.epochs * steps
    ends = [max(1, round(total * (place + 1) / CHECKPOINTS)) for place in range(CHECKPOINTS)][:checkpoints]
    adam, mean = _Adam(net, settings), net.flat.copy()
    kept: list[Floats32] = []
    stopped = False
    order = rng.permutation(len(rows))
    for step in range(ends[-1]):
        if step % steps == 0:
            order = rng.permutation(len(rows))
        chosen = order[step % steps * batch : (step % steps + 1) * batch]
        part = inputs[chosen].astype(np.float32) * np.float32(1 / PIECE_STEPS)
        slope = _margin_slope(problem.loss, target[chosen], weight[chosen])
        adam.step(net.gradient(part, slope, settings.dropout, rng), _rate(settings.rate, step / total))
        memory = min(_MEMORY, (step + 1) / (step + 10))
        mean += np.float32(1 - memory) * (net.flat - mean)
        if step + 1 in ends:
            kept.append(mean.copy())
        if stop():
            stopped = step + 1 < ends[-1]
            break
    if not kept:
        kept.append(mean.copy())
    average = _average(inputs, weight)
    models = [shape.model(net.with_weights(flat), average) for flat in kept]
    return Trained(tuple(models), stopped)


def seconds_per_epoch(problem: Problem, rows: Indices, settings: NetworkSettings, clock: Callable[[], float]) -> float:
    """How long one pass over these rows takes here, by the typical one of a few steps."""
    moments: list[float] = []

    def note() -> bool:
        moments.append(clock())
        return False

    short = replace(settings, epochs=1)
    few = rows[:: max(1, len(rows) // (16 * settings.batch))]
    fit_network(problem, few, short, number=0, stop=note)
    step = float(np.median(np.diff(moments))) if len(moments) > 1 else 0.0
    return max(step, 1e-6) * min(len(rows), _MOST_ROWS) / _batch(settings, len(few))


def _average(inputs: NDArray[np.uint8], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted mean of each column, (columns,)."""
    total = np.zeros(inputs.shape[1])
    for start in range(0, len(inputs), _BLOCK_ROWS):
        total += weight[start : start + _BLOCK_ROWS] @ inputs[start : start + _BLOCK_ROWS]
    return np.asarray(total / (weight.sum() * PIECE_STEPS))


def _batch(settings: NetworkSettings, rows: int) -> int:
    return min(settings.batch, max(16, rows // 40))


def _rate(rate: float, done: float) -> float:
    """A short rise, then half a cosine down to nothing (Loshchilov & Hutter 2017, without restarts)."""
    return rate * min(1.0, (done + 1e-9) / _WARM) * 0.5 * (1 + float(np.cos(np.pi * done)))


def _margin_slope(
    loss: Loss, target: NDArray[np.float64], weight: NDArray[np.float64]
) -> Callable[[Floats32], Floats32]:
    """The mean loss's derivative by the margins of a batch."""

    def slope(margin: Floats32) -> Floats32:
        values = margin.astype(np.float64)
        if loss.name == "absolute error":
            found = np.clip((values - target[:, None]) / _ROBUST, -1, 1)
        else:
            found = loss.gradient(values, target)
        return (found * (weight / len(weight))[:, None]).astype(np.float32)

    return slope


def _inputs(problem: Problem) -> tuple[NDArray[np.int64], list[tuple[int, int, int]]]:
    """Positions of the numbers, and (feature, first category, categories) of the categories that are few enough."""
    categories = problem.frame.categories
    numbers = np.array([i for i in range(problem.matrix.shape[1]) if i not in categories], dtype=np.int64)
    tables, levels = [], 0
    for feature, (first, size) in sorted(categories.items(), key=lambda item: item[1][1]):
        levels += size + 1
        if levels <= _MOST_LEVELS:
            tables.append((feature, first, size))
    return numbers, sorted(tables)


def _edges(column: Floats32, pieces: int) -> NDArray[np.float64]:
    """Where a number's pieces meet: half by the rows, half by the values, which tells rare values apart too."""
    known = column[~np.isnan(column)]
    if not known.size:
        return np.array([0.0, 1.0])
    values = np.unique(known)
    by_rows = np.quantile(known, np.linspace(0, 1, pieces - pieces // 3 + 1))
    by_value = np.quantile(values, np.linspace(0, 1, pieces // 3 + 1)) if pieces >= 6 else values[:0]
    edges = np.unique(np.concatenate([by_rows, by_value]).astype(np.float32)).astype(np.float64)
    wide = np.diff(edges, prepend=-np.inf) > max(_NARROWEST, 1e-6 * float(np.abs(edges).max()))
    edges = edges[wide & np.isfinite(edges)]
    return edges if len(edges) > 1 else np.array([edges[0], edges[0] + max(1.0, abs(edges[0]))])


@dataclass(frozen=True)
class _Shape:
    """Columns in order: pieces of numbers, missing indicators, one-hot categories."""

    problem: Problem
    settings: NetworkSettings
    shell: NetworkModel

    @classmethod
    def of(cls, problem: Problem, settings: NetworkSettings) -> _Shape:
        """The pieces come from all rows, so that the networks of all folds read the same inputs."""
        numbers, tables = _inputs(problem)
        matrix = problem.matrix[:: max(1, problem.rows * len(numbers) // _SAMPLE_CELLS)]
        pieces = max(1, min(settings.pieces, _MOST_PIECES // max(1, len(numbers))))
        edges = [_edges(matrix[:, feature], pieces) for feature in numbers]
        low = np.concatenate([one[:-1] for one in edges]) if edges else np.zeros(0)
        span = np.concatenate([np.diff(one) for one in edges]) if edges else np.zeros(0)
        piece = np.repeat(np.arange(len(edges)), [len(one) - 1 for one in edges])
        units = settings.hidden[0]
        nothing = np.zeros((0, units), np.float32)
        shell = NetworkModel(
            width=problem.matrix.shape[1],
            features=numbers,
            piece=piece.astype(np.int64),
            low=low.astype(np.float32),
            slope=(1 / span).astype(np.float32),
            first=nothing,
            missing=nothing,
            tables=tuple(CategoryTable(feature, first, np.zeros((size + 1, units))) for feature, first, size in tables),
            bias=np.zeros(units, np.float32),
            hidden=np.zeros((1, *settings.hidden), np.float32),
            hidden_bias=np.zeros((1, settings.hidden[1]), np.float32),
            last=np.zeros((1, settings.hidden[1], problem.outputs), np.float32),
            intercept=np.zeros(problem.outputs),
            center=np.zeros((problem.matrix.shape[1], units)),
        )
        return cls(problem, settings, shell)

    @property
    def columns(self) -> int:
        tables = sum(len(table.values) for table in self.shell.tables)
        return len(self.shell.piece) + len(self.shell.features) + tables

    def inputs(self, matrix: Floats32) -> NDArray[np.uint8]:
        """All columns, (rows, columns), as whole numbers of 1/128."""
        found = np.zeros((len(matrix), self.columns), np.uint8)
        parts, gone = self.shell.pieces(matrix)
        found[:, : parts.shape[1]] = np.rint(parts * np.float32(PIECE_STEPS))
        position = parts.shape[1]
        found[:, position : position + gone.shape[1]] = gone * np.uint8(PIECE_STEPS)
        position += gone.shape[1]
        for table in self.shell.tables:
            found[np.arange(len(matrix)), position + table.rows_of(matrix[:, table.feature])] = np.uint8(PIECE_STEPS)
            position += len(table.values)
        return found

    def model(self, net: _Net, mean: NDArray[np.float64]) -> NetworkModel:
        """The trained weights in the form that scores: what was never seen counts as average; sums made exact.

        mean: (columns,) the average of the inputs.
        """
        shell, first = self.shell, net.layers[0].astype(np.float64)
        pieces, numbers = len(shell.piece), len(shell.features)
        kept, missing = first[:pieces].copy(), first[pieces : pieces + numbers].copy()
        for number in np.flatnonzero(mean[pieces : pieces + numbers] == 0):
            own = shell.piece == number
            missing[number] = mean[:pieces][own] @ kept[own]
        tables, position = [], pieces + numbers
        for table in shell.tables:
            stop = position + len(table.values)
            values, often = first[position:stop].copy(), mean[position:stop]
            values[often == 0] = often @ values / max(often.sum(), 1e-300)
            tables.append(values)
            position = stop
        bias = net.biases[0].astype(np.float64)
        bound = np.abs(kept).sum(axis=0) + np.abs(missing).sum(axis=0) + np.abs(bias)
        bound += sum(np.abs(values).max(axis=0) for values in tables)
        step = 2.0 ** (np.ceil(np.log2(1.01 * max(float(bound.max()), 1e-30))) - 24) * PIECE_STEPS

        def on_grid(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(np.rint(values / step) * step)

        kept, missing, tables = on_grid(kept), on_grid(missing), [on_grid(values) for values in tables]
        return NetworkModel(
            width=shell.width,
            features=shell.features,
            piece=shell.piece,
            low=shell.low,
            slope=shell.slope,
            first=kept.astype(np.float32),
            missing=missing.astype(np.float32),
            tables=tuple(
                CategoryTable(table.feature, table.first, values)
                for table, values in zip(shell.tables, tables, strict=True)
            ),
            bias=on_grid(bias).astype(np.float32),
            hidden=net.layers[1][None].copy(),
            hidden_bias=net.biases[1][None].copy(),
            last=net.layers[2][None].copy(),
            intercept=net.biases[2].astype(np.float64),
            center=self._center(mean, kept, missing, tables),
        )

    def _center(
        self,
        mean: NDArray[np.float64],
        kept: NDArray[np.float64],
        missing: NDArray[np.float64],
        tables: Sequence[NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        """Each feature's mean contribution to the first layer: (matrix width, units)."""
        shell = self.shell
        center = np.zeros_like(shell.center)
        np.add.at(center, shell.features[shell.piece], mean[: len(kept), None] * kept)
        position = len(kept) + len(missing)
        center[shell.features] += mean[len(kept) : position, None] * missing
        for table, values in zip(shell.tables, tables, strict=True):
            center[table.feature] += mean[position : position + len(values)] @ values
            position += len(values)
        return center


class _Net:
    """Weights of one network: views of one flat array, and their gradient in another."""

    def __init__(self, sizes: Sequence[int], flat: Floats32) -> None:
        self.sizes, self.flat = tuple(sizes), flat
        self.layers, self.biases = self._views(flat)

    @classmethod
    def started(cls, shape: _Shape, inputs: NDArray[np.uint8], prior: NDArray[np.float64], rng: Any) -> _Net:
        """Random weights sized by what reaches each layer (He et al. 2015); the answer begins at the prior."""
        sizes = (shape.columns, *shape.settings.hidden, shape.problem.outputs)
        net = cls(sizes, np.zeros(sum((i + 1) * o for i, o in pairwise(sizes)), np.float32))
        energy = max(1.0, float(((inputs[:1000] / PIECE_STEPS) ** 2).sum(axis=1).mean()))
        for layer, fan, scale in zip(net.layers, (energy, sizes[1], sizes[2]), (1.0, 1.0, 0.1), strict=True):
            layer[:] = rng.normal(size=layer.shape) * scale * np.sqrt(2 / fan)
        net.biases[-1][:] = prior
        return net

    def with_weights(self, flat: Floats32) -> _Net:
        return _Net(self.sizes, flat)

    def _views(self, flat: Floats32) -> tuple[list[Floats32], list[Floats32]]:
        layers, biases, at = [], [], 0
        for rows, columns in pairwise(self.sizes):
            layers.append(flat[at : at + rows * columns].reshape(rows, columns))
            at += rows * columns
        for columns in self.sizes[1:]:
            biases.append(flat[at : at + columns])
            at += columns
        return layers, biases

    def gradient(self, inputs: Floats32, slope: Callable[[Floats32], Floats32], dropout: float, rng: Any) -> Floats32:
        """The loss's derivative by all weights, on a batch, with some units left out by chance."""
        seen, bends = [inputs], []
        for layer, bias in zip(self.layers[:-1], self.biases[:-1], strict=True):
            value = seen[-1] @ layer
            value += bias
            bent = 1 / (1 + np.exp(-value))
            kept = (rng.random(value.shape, dtype=np.float32) >= dropout) * np.float32(1 / (1 - dropout))
            bends.append(bent * (1 + value * (1 - bent)) * kept)
            seen.append(value * bent * kept)
        back = slope(seen[-1] @ self.layers[-1] + self.biases[-1])
        found = np.empty_like(self.flat)
        layers, biases = self._views(found)
        for place in range(len(self.layers) - 1, -1, -1):
            np.matmul(seen[place].T, back, out=layers[place])
            biases[place][:] = back.sum(axis=0)
            if place:
                back = (back @ self.layers[place].T) * bends[place - 1]
        return found


class _Adam:
    """Kingma & Ba (2015), with the decay of weights apart from the gradient (Loshchilov & Hutter 2019)."""

    def __init__(self, net: _Net, settings: NetworkSettings) -> None:
        self._net = net
        self._first, self._second = np.zeros_like(net.flat), np.zeros_like(net.flat)
        self._decay = np.zeros_like(net.flat)
        self._decay[: sum(layer.size for layer in net.layers)] = settings.decay
        self._steps = 0

    def step(self, gradient: Floats32, rate: float) -> None:
        self._steps += 1
        self._first += np.float32(0.1) * (gradient - self._first)
        self._second += np.float32(0.01) * (gradient * gradient - self._second)
        scale = np.float32(1 / (1 - 0.99**self._steps))
        move = self._first * np.float32(1 / (1 - 0.9**self._steps)) / (np.sqrt(self._second * scale) + np.float32(1e-8))
        move += self._decay * self._net.flat
        self._net.flat -= np.float32(rate) * move
