"""Registered models: versions, stages, aliases, tags, search."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from pair import Both, Pair, pages
from search_steps import drawn

__all__ = ["steps"]


def steps(pair: Pair, examples: int) -> None:
    _models(pair)
    run, other = _source(pair), _source(pair)
    _versions(pair, run, other)
    _aliases(pair)
    _stages(pair)
    _search(pair, run, examples)
    _ends(pair, run)


def _models(pair: Pair) -> None:
    pair.call("create", lambda c: c.create_registered_model("reg", {"a": "1", "b": ""}, "what it is"))
    for name in ("reg", "", " ", "a/b", "a:b", "späß", "with space", "Ünï", "..", "reg.with-dots_1"):
        pair.call(f"create {name!r}", lambda c, n=name: c.create_registered_model(n))
    for name in ("reg", "with space", "nowhere", "a/b"):
        pair.call(f"get {name!r}", lambda c, n=name: c.get_registered_model(n))
    pair.call("describe", lambda c: c.update_registered_model("reg", "other words"))
    pair.call("describe unknown", lambda c: c.update_registered_model("nowhere", "x"))
    for key, value in (("k", "v"), ("k", "w"), ("b|d", "v"), ("n", "x" * 100_001)):
        pair.call(f"tag {key}", lambda c, k=key, v=value: c.set_registered_model_tag("reg", k, v))
    pair.call("tag unknown", lambda c: c.set_registered_model_tag("nowhere", "a", "b"))
    pair.call("delete tag", lambda c: c.delete_registered_model_tag("reg", "k"))
    pair.call("delete tag again", lambda c: c.delete_registered_model_tag("reg", "k"))
    pair.call("model then", lambda c: c.get_registered_model("reg"))
    pair.call("rename", lambda c: c.rename_registered_model("with space", "with more space"))
    pair.call("rename to one that is", lambda c: c.rename_registered_model("with more space", "reg"))
    pair.call("rename to odd", lambda c: c.rename_registered_model("reg", "a/b"))
    pair.call("rename unknown", lambda c: c.rename_registered_model("nowhere", "x"))
    pair.call("old name", lambda c: c.get_registered_model("with space"))
    pair.call("old name is free", lambda c: c.create_registered_model("with space"))


def _source(pair: Pair) -> Both:
    def make(client: Any) -> Any:
        run = client.create_run("0", 5, run_name="src")
        client.log_metric(run.info.run_id, "roc_auc", 0.9)
        client.log_text(run.info.run_id, "weights", "model/weights.txt")
        client.log_text(run.info.run_id, "flavors: {}", "model/MLmodel")
        return client.get_run(run.info.run_id)

    return pair.call("run with files", make)


def _versions(pair: Pair, run: Both, other: Both) -> None:
    run_id, location = run.info.run_id, run.info.artifact_uri

    def create(client: Any, source: str, run_id: str | None, **more: Any) -> Any:
        return client.create_model_version("reg", source, run_id, await_creation_for=0, **more)

    model = location.map(lambda uri: f"{uri}/model")
    runs = run_id.map(lambda identity: f"runs:/{identity}/model")
    pair.call(
        "version of a run's files", create, model, run_id, tags={"t": "1"}, description="words", run_link="http://x"
    )
    pair.call("version by runs:/", create, runs, run_id)
    pair.call("version from elsewhere", create, "s3://bucket/model", None)
    pair.call("version without its run", create, model, None)
    pair.call("version with another run", create, model, other.info.run_id)
    pair.call("version of an unknown run", create, model, "0" * 32)
    pair.call("version of a local path", create, "/etc/passwd", run_id)
    pair.call("version of a file:", create, "file:///etc/passwd", run_id)
    pair.call("version that climbs", create, location.map(lambda uri: f"{uri}/../../x"), run_id)
    pair.call("version that climbs, coded", create, "s3://bucket/%2e%2e/x", None)
    pair.call("version of a version", create, "models:/reg/1", None)
    pair.call(
        "version of an unknown model",
        lambda c, m: c.create_model_version("nowhere", m, await_creation_for=0),
        "s3://x/y",
    )
    for version in ("1", "2", "3", "4", "5", "99", "odd", 1):
        pair.call(f"get version {version}", lambda c, v=version: c.get_model_version("reg", v))
        pair.call(f"where is {version}", lambda c, v=version: c.get_model_version_download_uri("reg", v))
    pair.call("describe version", lambda c: c.update_model_version("reg", "1", "new words"))
    pair.call("describe version with nothing", lambda c: c.update_model_version("reg", "2", ""))
    pair.call("describe unknown version", lambda c: c.update_model_version("reg", "77", "x"))
    for key, value in (("k", "v"), ("k", "w"), ("b|d", "v")):
        pair.call(f"version tag {key}", lambda c, k=key, v=value: c.set_model_version_tag("reg", "1", k, v))
    pair.call("delete version tag", lambda c: c.delete_model_version_tag("reg", "1", "k"))
    pair.call("delete version tag again", lambda c: c.delete_model_version_tag("reg", "1", "k"))
    pair.call("tag of an unknown version", lambda c: c.set_model_version_tag("reg", "77", "k", "v"))
    pair.call("model with versions", lambda c: c.get_registered_model("reg"))


def _aliases(pair: Pair) -> None:
    for alias, version in (("champion", "1"), ("champion", "2"), ("champion", "2"), ("canary", "1"), ("x", "99"), ("latest", "1"),
                           ("v7", "1"), ("a b", "1"), ("", "1"), ("under_score-1", "3")):  # fmt: skip
        pair.call(f"alias {alias} {version}", lambda c, a=alias, v=version: c.set_registered_model_alias("reg", a, v))
    for alias in ("champion", "canary", "nobody", "latest", "LATEST", "a b"):
        pair.call(f"version by alias {alias}", lambda c, a=alias: c.get_model_version_by_alias("reg", a))
    pair.call("alias of unknown model", lambda c: c.set_registered_model_alias("nowhere", "a", "1"))
    pair.call("by alias, unknown model", lambda c: c.get_model_version_by_alias("nowhere", "a"))
    pair.call("model with aliases", lambda c: c.get_registered_model("reg"))
    pair.call("version with aliases", lambda c: c.get_model_version("reg", "1"))
    pair.call("delete alias", lambda c: c.delete_registered_model_alias("reg", "canary"))
    pair.call("delete alias again", lambda c: c.delete_registered_model_alias("reg", "canary"))
    pair.call("version without alias", lambda c: c.get_model_version("reg", "1"))


def _stages(pair: Pair) -> None:
    for version, stage, archive in (
        ("1", "Staging", False), ("2", "staging", True), ("3", "Production", False), ("1", "Production", True),
        ("2", "Odd", False), ("99", "Staging", False), ("2", "None", False), ("3", "Archived", False),
    ):  # fmt: skip
        move = lambda c, v, s, a: c.transition_model_version_stage("reg", v, s, a)  # noqa: E731
        pair.call(f"stage {version} {stage} {archive}", move, version, stage, archive)
    pair.call("newest of each stage", lambda c: c.get_latest_versions("reg"))
    pair.call("newest in production", lambda c: c.get_latest_versions("reg", ["production", "Archived"]))
    pair.call("newest in an odd stage", lambda c: c.get_latest_versions("reg", ["odd"]))
    pair.call("newest of an unknown model", lambda c: c.get_latest_versions("nowhere"))
    pair.call("model with stages", lambda c: c.get_registered_model("reg"))


def _search(pair: Pair, run: Both, examples: int) -> None:
    for number in range(7):
        name = f"found {number}" if number % 2 else f"Found-{number}"
        tags = {"size": ["s", "m", "l"][number % 3]} if number != 4 else {}
        pair.call(f"model {name}", lambda c, n=name, t=tags: c.create_registered_model(n, t))

        def make(client: Any, name: str, version: int) -> Any:
            tags = {"v": str(version % 2)}
            return client.create_model_version(name, f"s3://b/{version}", tags=tags, await_creation_for=0)

        for version in range(number % 4):
            pair.call(f"version {name} {version}", make, name, version)
    for query in drawn(_model_query(), examples):
        pair.call(f"models: {query}", _search_models, *query)
    for query in drawn(_version_query(), examples):
        pair.call(f"versions: {query}", _search_versions, *query)
    by_run = run.info.run_id.map(lambda identity: f"run_id = '{identity}'")
    pair.call("versions of a run", _search_versions, by_run, ["name ASC"], 10)
    pair.call("versions, an odd token", lambda c: c.search_model_versions(page_token="odd"))
    pair.call("models, too many", lambda c: c.search_registered_models(max_results=1001))


def _search_models(client: Any, where: str, order: list[str], most: int) -> Any:
    return list(pages(lambda token: client.search_registered_models(where, most, order, token)))


def _search_versions(client: Any, where: str, order: list[str], most: int) -> Any:
    return list(pages(lambda token: client.search_model_versions(where, most, order, token)))


def _model_query() -> st.SearchStrategy[Any]:
    text = st.sampled_from(["name", "attribute.name", "tags.size", "tag.`size`", "tags.none"])
    values = st.sampled_from(["'found%'", "'Found-2'", "'s'", "'%'", "''", "5", '"m"', "'FOUND%'"])
    one = st.one_of(
        st.tuples(text, st.sampled_from(["=", "!=", "LIKE", "ILIKE", ">"]), values),
        st.tuples(st.just("name"), st.sampled_from(["IN", "NOT IN"]), st.just("('found 1', 'Found-2')")),
        st.tuples(st.sampled_from(["odd", "metrics.x", "tags.size"]), st.just("="), values),
    ).map(" ".join)
    keys = st.sampled_from(["name", "name ASC", "name DESC", "odd", "tags.size"])
    order = st.lists(keys, max_size=1)
    return st.tuples(st.lists(one, max_size=2).map(" AND ".join), order, st.integers(2, 9))


def _version_query() -> st.SearchStrategy[Any]:
    text = st.sampled_from(["name", "source_path", "tags.v", "tags.none", "attribute.name", "run_id"])
    values = st.sampled_from(["'found%'", "'Found-2'", "'1'", "'s3://b/1'", "'%'", "3"])
    numbers = st.sampled_from(["1", "2", "'1'", "1.5"])
    listed = st.sampled_from(["name", "run_id", "source_path"])
    one = st.one_of(
        st.tuples(text, st.sampled_from(["=", "!=", "LIKE", "ILIKE", "<"]), values),
        st.tuples(st.just("version_number"), st.sampled_from(["=", ">", "<=", "!=", "LIKE"]), numbers),
        st.tuples(listed, st.sampled_from(["IN", "NOT IN"]), st.just("('found 1', 'x')")),
        st.tuples(st.just("odd"), st.just("="), values),
    ).map(" ".join)  # fmt: skip
    order = st.sampled_from([
        ["name ASC"], ["name DESC", "version_number ASC"], ["version_number DESC", "name ASC"], ["odd"],
        ["version_number ASC", "name DESC"], ["name", "name"][:1],
    ])  # fmt: skip
    return st.tuples(st.lists(one, max_size=2).map(" AND ".join), order, st.integers(2, 12))


def _ends(pair: Pair, run: Both) -> None:
    pair.call("delete version", lambda c: c.delete_model_version("reg", "2"))
    pair.call("delete version again", lambda c: c.delete_model_version("reg", "2"))
    pair.call("deleted version", lambda c: c.get_model_version("reg", "2"))
    pair.call("its alias", lambda c: c.get_model_version_by_alias("reg", "champion"))
    new = lambda c: c.create_model_version("reg", "s3://bucket/new", await_creation_for=0)  # noqa: E731
    pair.call("the next version", new)
    pair.call("delete model", lambda c: c.delete_registered_model("reg"))
    pair.call("delete model again", lambda c: c.delete_registered_model("reg"))
    pair.call("deleted model", lambda c: c.get_registered_model("reg"))
    pair.call("deleted model's version", lambda c: c.get_model_version("reg", "1"))
    pair.call("the name again", lambda c: c.create_registered_model("reg"))
    pair.call("first version again", new)
    pair.call("alias again", lambda c: c.set_registered_model_alias("reg", "champion", "1"))
    pair.call("by alias again", lambda c: c.get_model_version_by_alias("reg", "champion"))
    pair.call("model again", lambda c: c.get_registered_model("reg"))
