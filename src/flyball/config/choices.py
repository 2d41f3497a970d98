"""What is chosen by arguments or options, held to the rules of the project file before any time is spent on it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from flyball.config.load import ConfigInvalid
from flyball.config.model import DataConfig, FeatureConfig, ModelConfig

__all__ = ["check_choices", "check_feature"]


def check_choices(
    target: str,
    *,
    time: str | None = None,
    group: str | None = None,
    split: str = "auto",
    embargo: str | int | None = None,
    purge: bool = False,
    weight: str | None = None,
    personal: Collection[str] = (),
    public: Collection[str] = (),
    drop: Collection[str] = (),
    keep: Collection[str] = (),
    places: Mapping[str, str] | None = None,
) -> None:
    """Raises ConfigInvalid for settings that are malformed or exclude one another; `places` tells how each was given.

    >>> check_choices("sold", split="time", embargo="7d")
    """
    data = {"source": "-", "time": time, "entity": group, "personal": tuple(personal), "public": tuple(public)}
    model = {
        "data": "-", "target": target, "split": split, "embargo": embargo, "purge": purge, "weight": weight,
        "drop": tuple(drop), "keep": tuple(keep),
    }  # fmt: skip
    try:
        DataConfig.model_validate(data)
        ModelConfig.model_validate(model)
    except ValidationError as error:
        found = error.errors()[0]
        said = str(found["ctx"]["error"]) if found["type"] == "value_error" else found["msg"]
        named = re.match(r"([a-z_]+): ", said)
        key = named[1] if named else str(found["loc"][0]) if found["loc"] else ""
        text = said[named.end() :] if named else said
        where = (places or {}).get(key) or (f"the argument {key}" if key else None)
        raise ConfigInvalid(text[:1].lower() + text[1:], where=where, fix="correct the value") from error


def check_feature(name: str, given: Mapping[str, Any]) -> FeatureConfig:
    """A feature that is declared by arguments. Raises ConfigInvalid.

    >>> check_feature("recent", {"of": "orders.freight", "by": "customer_id", "function": "mean", "window": "30d"}).window
    2592000.0
    """
    try:
        return FeatureConfig.model_validate(dict(given))
    except ValidationError as error:
        found = error.errors()[0]
        raise ConfigInvalid(
            f'the feature "{name}" is not specified well', where="the argument features",
            why=f"{'.'.join(map(str, found['loc']))}: {found['msg']}".removeprefix(": "),
            fix='write it as in the project file: {"of": "orders.freight", "by": "customer_id", "function": "mean"}',
        ) from error  # fmt: skip
