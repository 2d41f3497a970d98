"""What can be wrong with a store that is to be imported, or with the place that one is to be exported to."""

from __future__ import annotations

from flyball_runtime.errors import BadInput

__all__ = ["ArtifactsMissing", "SchemaUnknown", "SourceDamaged", "SourceForeign", "SourceUnreadable", "TargetTaken"]


class SourceUnreadable(BadInput):
    """The store that is to be imported cannot be read: it is not there, cannot be reached, or is of a kind not known."""

    code = "FB-EXCHANGE-001"


class SourceForeign(BadInput):
    """What is to be imported can be read, but it is no store of MLflow's."""

    code = "FB-EXCHANGE-002"


class SchemaUnknown(BadInput):
    """The store of MLflow's was written by a version whose tables Flyball does not know, so it is not guessed at."""

    code = "FB-EXCHANGE-003"


class SourceDamaged(BadInput):
    """A part of the store contradicts another one, was written halfway, or changed while it was read."""

    code = "FB-EXCHANGE-004"


class ArtifactsMissing(BadInput):
    """Files that the store names are not where it says, so versions would come without what they are made of."""

    code = "FB-EXCHANGE-005"


class TargetTaken(BadInput):
    """The folder to export into holds something already, or cannot be made."""

    code = "FB-EXCHANGE-006"
