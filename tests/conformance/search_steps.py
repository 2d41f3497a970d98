"""Searches that Hypothesis thinks up, from a fixed seed: filters, orders and pages, sound and broken."""

from __future__ import annotations

import random
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from pair import Both, Pair, pages

__all__ = ["steps"]

RUNS = 24
Item = TypeVar("Item")
_NUMERIC = ["=", "!=", ">", ">=", "<", "<="]
_TEXTUAL = ["=", "!=", "LIKE", "ILIKE", "like", "ilike"]


def steps(pair: Pair, examples: int) -> None:
    experiments = [pair.call(f"experiment {n}", lambda c, n=n: c.create_experiment(n)) for n in ("s-one", "s-two")]
    _fill(pair, experiments)
    for query in drawn(_run_query(), examples):
        where, order, most, view = query
        pair.call(f"runs: {query}", _search_runs, experiments, where, order, most, view)
    for query in drawn(_experiment_query(), examples // 4):
        where, order, most = query
        pair.call(f"experiments: {query}", _search_experiments, where, order, most)
    pair.call("runs, an odd token", lambda c, e: c.search_runs([e], page_token="odd"), experiments[0])
    pair.call("runs, no result wanted", lambda c, e: c.search_runs([e], max_results=0), experiments[0])
    pair.call("runs, too many wanted", lambda c, e: c.search_runs([e], max_results=50_001), experiments[0])
    pair.call("runs of no experiment", lambda c: c.search_runs([]))
    pair.call("runs of an odd experiment", lambda c: c.search_runs(["odd"]))
    pair.call("runs of an unknown experiment", lambda c: c.search_runs(["4711"]))


def drawn(strategy: st.SearchStrategy[Item], count: int) -> list[Item]:
    """The same examples in every process."""
    found: list[Item] = []

    @settings(
        max_examples=count, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def collect(item: Item) -> None:
        found.append(item)

    collect()
    return found


def _fill(pair: Pair, experiments: list[Both]) -> None:
    rng = random.Random(5)
    for number in range(RUNS):
        metrics = [
            Metric(key, rng.choice([0.0, 0.25, 0.5, 1.0, -1.0, 1e9, float("nan")]), 1, 0)
            for key in ("m1", "m2", "m 3")
            if rng.random() < 0.8
        ]
        params = [Param(key, rng.choice(["a", "A", "ab", "b%", "1"])) for key in ("p1", "p-2") if rng.random() < 0.8]
        tags = [RunTag(key, rng.choice(["x", "X", "xy", "_"])) for key in ("t1", "t.2") if rng.random() < 0.8]
        started = rng.randint(1, 12)

        def make(client: Any, experiment: str, made: Any = (number, metrics, params, tags, started)) -> Any:
            count, metrics, params, tags, started = made
            run = client.create_run(experiment, start_time=started, run_name=f"run {count:02}")
            client.log_batch(run.info.run_id, metrics, params, tags)
            if count % 3 == 0:
                client.set_terminated(run.info.run_id, ["FINISHED", "FAILED"][count % 2], started + 10)
            if count % 5 == 0:
                dataset = Dataset(f"data{count % 2}", "d1", "local", "s")
                context = [InputTag("mlflow.data.context", ["training", "eval"][count % 2])]
                client.log_inputs(run.info.run_id, [DatasetInput(dataset, context)])
            if count % 11 == 0:
                client.delete_run(run.info.run_id)
            return client.get_run(run.info.run_id)

        pair.call(f"run {number}", make, experiments[number % 2])


def _search_runs(client: Any, experiments: list[str], where: str, order: list[str], most: int, view: int) -> Any:
    found = pages(lambda token: client.search_runs(experiments, where, view, most, order, token))
    # Runs that start together and are equal by the order are told apart by their ids, which are the server's own.
    return [
        {"names": [_key(run) for run in page], "more": bool(page.token)} for page in found
    ]  # fmt: skip


def _key(run: Any) -> list[Any]:
    return [run.info.run_name, run.info.start_time, run.info.status, sorted(run.data.tags.items())]


def _search_experiments(client: Any, where: str, order: list[str], most: int) -> Any:
    found = pages(lambda token: client.search_experiments(ViewType.ALL, most, where, order, token))
    return [{"names": [experiment.name for experiment in page], "more": bool(page.token)} for page in found]


def _quoted() -> st.SearchStrategy[str]:
    texts = st.sampled_from(["a", "A", "a%", "%b%", "_", "x", "X%", "run 03", "FINISHED", "1", "", "data1", "training"])
    return st.builds(lambda text, mark: f"{mark}{text}{mark}", texts, st.sampled_from("''\""))


def _numbers() -> st.SearchStrategy[str]:
    return st.sampled_from(["0", "0.5", "-1", "1e9", "5", "1.0", ".25", "11"])


def _sound() -> st.SearchStrategy[str]:
    metric = st.sampled_from(["metrics.m1", "metric.m2", "metrics.`m 3`", 'metrics."m 3"', "metrics.none"])
    pair = st.sampled_from([
        "params.p1", "param.`p-2`", 'parameters."p-2"', "tags.t1", "tag.`t.2`", "tags.none", "tags.`mlflow.runName`",
        "params.none",
    ])  # fmt: skip
    text = st.sampled_from([
        "attributes.run_name", "attr.status", "status", "run.run_name", "attributes.artifact_uri", "dataset.name",
        "datasets.context", "dataset.digest", "user_id",
    ])  # fmt: skip
    number = st.sampled_from(["attributes.start_time", "start_time", "attributes.end_time", "end_time", "created"])
    listed = st.sampled_from(["attributes.run_id", "run_id", "datasets.name", "datasets.context"])
    return st.one_of(
        st.tuples(metric, st.sampled_from(_NUMERIC), _numbers()),
        st.tuples(pair, st.sampled_from(_TEXTUAL), _quoted()),
        st.tuples(text, st.sampled_from(_TEXTUAL), _quoted()),
        st.tuples(number, st.sampled_from(_NUMERIC), _numbers()),
        st.tuples(listed, st.sampled_from(["IN", "NOT IN", "in"]), _lists()),
        st.tuples(pair, st.sampled_from(["IS NULL", "IS NOT NULL", "is null"]), st.just("")),
    ).map(" ".join)


def _broken() -> st.SearchStrategy[str]:
    field = st.sampled_from(
        ["metrics.m1", "params.p1", "tags.t1", "status", "start_time", "dataset.name", "odd", "odd.x", ""]
    )
    operator = st.sampled_from([*_NUMERIC, *_TEXTUAL, "IN", "IS NULL", "IS NOT NULL", "==", "", "NOT"])
    value = st.one_of(_quoted(), _numbers(), _lists(), st.sampled_from(["", "a", "()", "(1, 2)", "NULL", "'open"]))
    return st.tuples(field, operator, value).map(" ".join)


def _lists() -> st.SearchStrategy[str]:
    texts = st.lists(_quoted().filter(lambda one: one[0] == "'"), min_size=1, max_size=3)
    return texts.map(lambda some: f"({', '.join(some)})")


def rarely(usual: st.SearchStrategy[Item], other: st.SearchStrategy[Item], one_in: int) -> st.SearchStrategy[Item]:
    """`other` once in so many times."""
    return st.integers(1, one_in).flatmap(lambda drawn: other if drawn == one_in else usual)


def _filter() -> st.SearchStrategy[str]:
    sound = st.lists(_sound(), max_size=3).map(" AND ".join)
    mixed = st.lists(st.one_of(_sound(), _broken()), min_size=1, max_size=2)
    return rarely(sound, st.one_of(mixed.map(" AND ".join), mixed.map(" OR ".join), mixed.map(" ".join)), 5)


def _order(keys: list[str], odd: list[str], last: str) -> st.SearchStrategy[list[str]]:
    def of(some: list[str]) -> st.SearchStrategy[str]:
        return st.builds(
            lambda key, way: f"{key}{way}", st.sampled_from(some), st.sampled_from(["", " ASC", " DESC", " desc"])
        )

    one = rarely(of(keys), of(odd), 15)
    return st.lists(one, max_size=2, unique_by=lambda text: text.split(" ")[0]).map(lambda some: [*some, last])


def _run_query() -> st.SearchStrategy[Any]:
    keys = [
        "metrics.m1", "metrics.`m 3`", "params.p1", "tags.t1", "end_time", "status", "start_time", "metrics.none", "run_name",
    ]  # fmt: skip
    odd = [
        "attributes.odd",
        "metrics.m1 odd",
        "dataset.name",
        "metrics",
        "attributes.start_time",
        "tags.`mlflow.runName`",
    ]
    # The last one makes the order whole: the server's own ids must not decide.
    order = _order(keys, odd, "tags.`mlflow.runName` ASC")
    views = st.sampled_from([ViewType.ACTIVE_ONLY, ViewType.ALL, ViewType.DELETED_ONLY])
    return st.tuples(_filter(), order, st.integers(3, 30), views)


def _experiment_query() -> st.SearchStrategy[Any]:
    text = st.sampled_from(["name", "attribute.name", "tags.team", "tag.`x/y`", "tags.none"])
    number = st.sampled_from(["creation_time", "attribute.last_update_time"])
    values = st.sampled_from(["'a'", "'s-%'", "'S-ONE'", "'first'", "''"])
    ids = st.sampled_from(["'1'", "('1', '2')", "'x'"])
    one = st.one_of(
        st.tuples(text, st.sampled_from(["=", "!=", "LIKE", "ILIKE"]), values),
        st.tuples(number, st.sampled_from(_NUMERIC), st.sampled_from(["5", "0", "1.5", "'a'"])),
        st.tuples(text, st.sampled_from(["IS NULL", "IS NOT NULL"]), st.just("")),
        st.tuples(st.just("experiment_id"), st.sampled_from(["=", "!=", "IN", ">"]), ids),
        st.tuples(st.just("odd"), st.just("="), st.just("'a'")),
    ).map(" ".join)  # fmt: skip
    order = _order(["name", "creation_time", "last_update_time"], ["odd", "tags.team"], "experiment_id ASC")
    return st.tuples(st.lists(one, max_size=2).map(" AND ".join), order, st.integers(1, 9))
