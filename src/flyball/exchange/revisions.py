"""The layouts of MLflow's tables that are known, by the revision that a store says it has.

MLflow numbers its layouts with Alembic; a store holds the number of its own in `alembic_version`. From 2.0 on the tables that are
read here only gained columns, so one reader reads all of these; what an older layout lacks is absent.
"""

from __future__ import annotations

from flyball.exchange.errors import SchemaUnknown, SourceForeign

__all__ = ["NEWEST", "check_revision"]

# In the order in which MLflow 2.0 to 3.17 added them. Most changed tables of traces, jobs and gateways, which are not read.
_KNOWN = (
    "cc1f77228345", "97727af70f4d", "3500859a5d39", "7f2a7d5fae7d", "2d6e25af4d3e", "acf3f17fdcc7", "867495a8f9d4",
    "5b0e9adcef9c", "4465047574b1", "f5a4f2784254", "0584bdc529eb", "400f98739977", "6953534de441", "bda7b8c39065",
    "cbc13b556ace", "770bee3ae1dd", "a1b2c3d4e5f6", "de4033877273", "1a0cddfcaa16", "534353b11cbc", "71994744cf8e",
    "3da73c924c2f", "bf29a5ff90ea", "1bd49d398cd23", "b7c8d9e0f1a2", "5d2d30f0abce", "c9d4e5f6a7b8",
    "2c33131f4dae", "d3e4f5a6b7c8", "d0e1f2a3b4c5", "c8d9e0f1a2b3", "1b5f0d9ad7c1", "e1f2a3b4c5d6", "76601a5f987d",
    "c3d6457b6d8a", "a5b4c3d2e1f0", "ae8bbe7743c9", "7d34483879f0", "da6fb0208061", "89d3d66ed43f", "b7e4c1a90f23",
    "a8b9c0d1e2f3", "c1d2e3f4a5b6", "c3d9e7f1a2b4", "6f8d9c3b2a1e", "1971f2d9a75b", "17e22815139b", "b7e2c1a4d9f3",
    "75868b020152", "dc11669786a5",
)  # fmt: skip
NEWEST = _KNOWN[-1]
_OLDER = frozenset((
    "451aebb31d03", "90e64c465722", "181f10493468", "df50e92ffc5e", "7ac759974ad8", "89d4b8295536", "2b4d017a5e9b",
    "cfd24bdc0731", "0a8213491aaa", "728d730b5ebd", "27a6a02d2cf1", "84291f40a231", "a8c4a736bde6", "39d1c3be5f05",
    "c48cb773bb87", "bd07f7e963c5", "0c779009ac13",
))  # fmt: skip


def check_revision(found: list[str], where: str) -> str:
    """The revision of a store. Raises SourceForeign without one, SchemaUnknown for one that is not known."""
    if len(found) != 1:
        raise SourceForeign(
            "the store does not say by which version of MLflow it was written", where=where,
            why=f"its table alembic_version holds {len(found)} rows",
            fix="name the backend store of an MLflow server, such as sqlite:///mlflow.db",
        )  # fmt: skip
    revision = found[0]
    if revision in _OLDER:
        raise SchemaUnknown(
            "the store was written by an MLflow before 2.0", where=where, why=f"its tables are of revision {revision}",
            fix="copy it, bring the copy to a newer layout with `mlflow db upgrade URL`, and import the copy",
        )  # fmt: skip
    if revision not in _KNOWN:
        raise SchemaUnknown(
            "the store was written by an MLflow that this Flyball does not know", where=where,
            why=f"its tables are of revision {revision}; the newest that is known is {NEWEST} (MLflow 3.17)",
            fix="upgrade Flyball",
        )  # fmt: skip
    return revision
