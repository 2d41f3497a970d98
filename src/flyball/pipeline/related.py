"""The tables beside the one that is predicted: read, held together by keys, and made into columns of that one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from flyball.core.canonical import digest_json
from flyball.data import Table, content_digest, read_source
from flyball.features.relational import RelatedFeature, RelatedTable, RelationInvalid, Relations
from flyball.pipeline.absent import cells_without_value
from flyball.pipeline.personal import notes_without_values, seems_personal
from flyball.pipeline.settings import LoopSettings
from flyball_runtime.errors import near_miss
from flyball_runtime.schema import MISSING_TIME, Schema
from flyball_runtime.table import MissingColumn, WrongType

if TYPE_CHECKING:
    from flyball.config import FeatureConfig, ProjectConfig

__all__ = [
    "TABLES",
    "Related",
    "RelatedSource",
    "Widened",
    "arguments_of",
    "featurise",
    "related_of",
    "stored_schema",
    "widen",
]

TABLES = "tables"  # what a bundle requires whose model needs made features


@dataclass(frozen=True, slots=True)
class RelatedSource:
    """One table beside the one that is predicted, and what was said of it; what was not is found."""

    name: str
    source: Any
    key: str | None = None
    time: str | None = None
    refers: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    public: tuple[str, ...] = ()
    missing: tuple[tuple[str, tuple[str | int | float, ...]], ...] = ()

    def said(self) -> dict[str, Any]:
        """Everything but the source, as JSON values."""
        return {
            "name": self.name, "key": self.key, "time": self.time, "refers": dict(self.refers), "drop": list(self.drop),
            "personal": list(self.personal), "public": list(self.public),
            "missing": [[name, list(values)] for name, values in self.missing],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Related:
    """The tables beside the predicted one; `key` and `refers` are said of that one itself.

    `declared` are features that people specify, by name, with the arguments of `declare`. `places` tells where
    "TABLE.SETTING" and "features.NAME" were written, such as "flyball.toml:17".
    """

    tables: tuple[RelatedSource, ...]
    key: str | None = None
    refers: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    declared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def said(self) -> dict[str, Any]:
        """Everything but the sources, as JSON values."""
        return {
            "key": self.key, "refers": dict(self.refers),
            "declared": {name: {**said, "along": list(said["along"])} for name, said in self.declared.items()},
            "tables": [one.said() for one in self.tables],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Widened:
    """The predicted table with the made columns; `document` tells how they are made, as JSON values.

    `tables` holds what they were made from, by name: less what was dropped and what is personal.
    """

    table: Table
    version: str
    document: dict[str, Any]
    tables: Mapping[str, Table]
    notes: tuple[str, ...]


def related_of(config: ProjectConfig, model: str) -> Related | None:
    """The related tables of a model of the project file; None when it learns from one table alone."""
    base, *others = config.model[model].data
    if not others:
        return None
    inside, data = {base, *others}, config.data

    def refers(name: str) -> dict[str, str]:
        return {column: other for column, other in data[name].refers.items() if other in inside}

    sources = tuple(
        RelatedSource(
            name, config.resolve(data[name].source), key=data[name].key, time=data[name].time, refers=refers(name),
            drop=data[name].drop, personal=tuple(one for one in data[name].personal if one not in data[name].drop),
            public=data[name].public, missing=tuple(data[name].missing.items()),
        )
        for name in others
    )  # fmt: skip
    lines = {
        f"{name}.{key}": line
        for name in (base, *others)
        for key in ("key", "time", "refers", "known", "drop", "personal", "missing", "source")
        if (line := config.line(("data", name, key)))
    }
    declared = {name: feature for name, feature in config.features.items() if feature.of.partition(".")[0] in inside}
    lines |= {f"features.{name}": config.where(("features", name)) for name in declared}
    return Related(
        sources, data[base].key, refers(base), lines, {name: arguments_of(one) for name, one in declared.items()}
    )


def arguments_of(feature: FeatureConfig) -> dict[str, Any]:
    """What `declare` takes, from a section of the project file."""
    return {
        "of": feature.of, "by": feature.by, "along": feature.along, "function": feature.function,
        "window_s": feature.window, "lag_s": feature.lag, "as_of": feature.as_of or "",
    }  # fmt: skip


def widen(table: Table, settings: LoopSettings, related: Related, version: str) -> Widened:
    """Read the related tables and make every feature that they give; `version`: the content of `table`.

    What is personal in any table gives no feature, and neither does what is dropped or known only afterwards. Raises
    what `read_source` and `relate` raise.
    """
    from flyball.features.relational import compute, relate, synthesise

    base = settings.dataset
    tables = {base: _without(table, dict(settings.missing))}
    personal = seems_personal(table, settings.personal, settings.public)
    hidden = {base: {settings.target, *settings.drop, *personal}}
    notes: list[str] = []
    for one in related.tables:
        tables[one.name], hidden[one.name], said = _read(one, related.places)
        notes += said
    if settings.known is not None:
        _check_known(table, settings, related.places.get(f"{base}.known"))
        hidden[base].add(settings.known)
    relations = relate(
        tables,
        keys=_told({base: related.key, **{one.name: one.key for one in related.tables}}),
        times=_told({base: settings.time, **{one.name: one.time for one in related.tables}}),
        refers=_told({base: related.refers, **{one.name: one.refers for one in related.tables}}),
        hidden=hidden,
        places=related.places,
    )
    target, known = (None, None) if settings.target in personal else (settings.target, settings.known)
    declared = _declared(relations, related, target, known)
    made = synthesise(relations, target=settings.target, known=known)
    found = [feature for feature in made.features if feature.name not in related.declared]
    wide = table
    for field_, values in compute(relations, declared):
        wide = wide.with_column(field_, values)
    for feature in found:
        wide = wide.with_column(made.table.schema[feature.name], made.table[feature.name])
    shown = _shown(relations, settings, declared)
    digests = {name: content_digest(one) for name, one in shown.items() if name != base}
    features = [
        *({**feature.to_dict(), "text": feature.text, "declared": True} for feature in declared),
        *({**feature.to_dict(), "text": feature.text, "declared": False} for feature in found),
    ]
    said = [f"{len(declared):,} features declared: {', '.join(related.declared)}"] if declared else []
    document = {
        "base": base,
        "relations": relations.to_dict(),
        "tables": {
            name: {
                "rows": one.rows, "schema": one.schema.to_list(), "digest": digests.get(name),
                "drop": list(next((other.drop for other in related.tables if other.name == name), ())),
            }
            for name, one in shown.items()
        },
        "features": features,
        "notes": [*made.notes, *said],
    }  # fmt: skip
    called = digest_json({"v": 1, "table": version, "related": digests, "relations": document["relations"],
                          "features": features})  # fmt: skip
    return Widened(wide, called, document, shown, (*notes, *made.notes, *said))


def _declared(relations: Relations, related: Related, target: str | None, known: str | None) -> list[RelatedFeature]:
    """The features that people specify. Raises RelationInvalid, and LooksAhead for one that sees its row's future."""
    from flyball.features.relational import declare, refuse_ahead

    made = []
    for name, said in related.declared.items():
        place = related.places.get(f"features.{name}")
        if name in relations.base.table:
            raise RelationInvalid(
                f'the feature "{name}" is called like a column of {relations.base.name}', where=place,
                why="both would stand in one table", fix="give the feature another name",
            )  # fmt: skip
        made.append(declare(relations, name, **said, target=target, known=known, place=place))
    written = {name: place for name in related.declared if (place := related.places.get(f"features.{name}"))}
    refuse_ahead(relations, made, places=written)
    return made


def featurise(
    document: Mapping[str, Any],
    tables: Mapping[str, Table],
    rows: Table,
    names: Sequence[str],
    *,
    where: str | None = None,
) -> Table:
    """Rows to predict, with those of a document's features that `names` lists; `tables` are what is known, by name.

    Rows whose key the predicted table does not hold count as rows of it, so that what refers to them is found and they
    see one another as of their times. Raises MissingColumn for rows without a key or a time that the features follow,
    WrongType for one of another kind.
    """
    from flyball.features.relational import compute

    relations = _relations(document, tables)
    wanted = [RelatedFeature.from_dict(one) for one in document["features"] if one["name"] in names]
    _check_followed(relations.base, wanted, rows, where)
    if relations.base.key is not None and relations.base.key in rows:
        grown = _grown(relations.base.table, rows, relations.base.key)
        relations = Relations((replace(relations.base, table=grown), *relations.tables[1:]))
    wide = rows
    for made, values in compute(relations, wanted, rows):
        wide = wide.with_column(made, values)
    return wide


def _check_followed(base: RelatedTable, features: Sequence[RelatedFeature], rows: Table, where: str | None) -> None:
    """Raises MissingColumn or WrongType unless the rows have the keys and the time by which the features are found."""
    needed = {base.time} if base.time else set[str]()
    for feature in features:
        hop = feature.hops[0]
        followed = {"to": hop.column, "with": hop.via, "from": base.key}[hop.way]
        needed |= {followed} if followed else set()
    for name in sorted(needed):
        if name not in rows:
            raise MissingColumn(
                f'the column "{name}" is missing',
                where=where,
                why=near_miss(name, rows.names) or "features of related tables are found by it",
                fix="give the rows as they stand in the table that the model learned from",
            )
        kind, given = base.table.schema[name].kind, rows.schema[name].kind
        if kind != given:
            raise WrongType(
                f'the column "{name}" holds {given}s, and not {kind}s',
                where=where,
                why="features of related tables are found by it",
                fix="write it as in the table that the model learned from",
            )


def _grown(history: Table, rows: Table, key: str) -> Table:
    """The history with the rows that are not in it, by their key; what they do not tell is missing."""
    known = set(history[key].tolist())
    new = rows.take(np.array([value not in known for value in rows[key].tolist()], dtype=bool))
    columns = {}
    for said in history.schema:
        given = said.name in new and new.schema[said.name].kind == said.kind
        columns[said.name] = new[said.name] if given else cells_without_value(new.rows, said.kind)
    return Table(history.schema, {name: np.concatenate([history[name], columns[name]]) for name in history.names})


def _relations(document: Mapping[str, Any], tables: Mapping[str, Table]) -> Relations:
    said, base = document["relations"], document["base"]
    names = (base, *(name for name in said if name != base))  # JSON keeps no order
    return Relations(
        tuple(RelatedTable(one, tables[one], said[one]["key"], said[one]["time"], said[one]["refers"]) for one in names)
    )


def _read(one: RelatedSource, places: Mapping[str, str]) -> tuple[Table, set[str], list[str]]:
    """A related table, the columns of it that give no feature, and what reading it said."""
    from flyball.pipeline.read import check_columns

    read = read_source(one.source, name=one.name)
    for setting in ("drop", "personal", "public"):
        check_columns(setting, getattr(one, setting), read.table, places.get(f"{one.name}.{setting}"))
    check_columns("missing", [name for name, _ in one.missing], read.table, places.get(f"{one.name}.missing"))
    table = _without(read.table.drop(one.drop), dict(one.missing))
    personal = seems_personal(table, one.personal, one.public)
    notes = [f"{one.name}: {note}" for note in notes_without_values(read.notes, personal)]
    if personal:
        notes.append(f"{one.name}: personal, so no feature tells of it: {', '.join(sorted(personal))}")
    return table, set(personal), notes


def _without(table: Table, missing: Mapping[str, Sequence[Any]]) -> Table:
    """The table with the values that are declared to mean missing taken as such."""
    for name, values in missing.items():
        if name not in table or not len(values):
            continue
        column, said = table[name].copy(), table.schema[name]
        gone = np.isin(column, list(values)) if said.kind != "text" else np.array([one in values for one in column])
        column[gone] = {"number": np.nan, "time": MISSING_TIME, "text": None}[said.kind]
        table = table.with_column(said, column)
    return table


def _shown(relations: Relations, settings: LoopSettings, declared: Sequence[RelatedFeature]) -> dict[str, Table]:
    """What is kept of every table: keys, references, times, and the columns whose values may be told.

    Of the predicted one the target too, where earlier rows tell what they came to, and whatever declared features follow.
    """
    kept = {}
    for one in relations.tables:
        names = {one.key, one.time, *one.refers, *one.values}
        for feature in declared:
            names |= {hop.column for hop in feature.hops if hop.way != "to" and hop.table == one.name}
            names |= {feature.hops[0].via} if one is relations.base else set()
            names |= {feature.since} if feature.hops[0].table == one.name else set()
            names |= {feature.column} if feature.hops[-1].table == one.name else set()
        if one is relations.base and settings.known is not None:
            names |= {settings.target, settings.known}
        kept[one.name] = one.table.select([name for name in one.table.names if name in names])
    return kept


def _check_known(table: Table, settings: LoopSettings, place: str | None) -> None:
    from flyball.pipeline.read import check_columns

    assert settings.known is not None
    check_columns("known", [settings.known], table, place)
    kind = table.schema[settings.known].kind
    if kind != "time":
        raise RelationInvalid(
            f'"{settings.known}" holds no times, so it cannot say when "{settings.target}" became known',
            where=place,
            why=f"it was read as {kind}",
            fix="name a column of dates or times under known",
        )


def _told(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value}


def stored_schema(document: Mapping[str, Any], name: str) -> Schema:
    """The schema of one of the tables that features were made from."""
    return Schema.from_list(document["tables"][name]["schema"])
