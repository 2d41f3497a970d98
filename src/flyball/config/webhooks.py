"""`[webhooks.NAME]` of a project file."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from flyball_runtime.errors import near_miss

__all__ = ["EVENTS", "WebhookConfig"]

# Entries of the ledger that webhooks can tell of; those that they tell of unless `events` says otherwise come first.
USUAL_EVENTS = (
    "version.registered", "alias.moved", "alias.removed", "stage.moved", "gate.refused", "alert.raised",
)  # fmt: skip
EVENTS = (
    *USUAL_EVENTS, "gate.passed", "version.withdrawn", "model.renamed", "model.withdrawn", "alert.widened",
    "alert.acknowledged", "alert.resolved", "look.overruled", "look.restored",
)  # fmt: skip
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,99}")


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.hostname and (parts.port is None or parts.port > 0) and value.isascii() and value.isprintable()
    except ValueError:
        usable, parts = None, urlsplit("")
    if parts.scheme not in ("https", "http") or not usable or " " in value:
        raise ValueError("a webhook's url is an https:// address")
    if parts.username is not None or parts.fragment:
        raise ValueError("a webhook's url has no user, password or #fragment: the secret signs what is sent instead")
    return value


def _variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):  # the text may be the secret itself: it is not repeated
        raise ValueError(
            'the secret stands in an environment variable; name that here, such as "FLYBALL_WEBHOOK_SECRET"'
        )
    return value


def _event(value: str) -> str:
    if value not in EVENTS:
        raise ValueError(
            f'there is no event "{value}"; {near_miss(value, EVENTS) or "known are: " + ", ".join(EVENTS)}'
        )
    return value


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError(f'{value!r} is no network; write an address, or a range such as "10.1.0.0/16"') from None
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class WebhookConfig(BaseModel):
    """`[webhooks.NAME]`: where events of the ledger are sent, signed with the secret in the variable `secret_from`.

    `networks` are addresses beyond the public ones that may be sent to; `tries` until a delivery is given up.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    url: Annotated[str, AfterValidator(_url)]
    secret_from: Annotated[str, AfterValidator(_variable)]
    events: Annotated[
        tuple[Annotated[str, AfterValidator(_event)], ...], BeforeValidator(_as_list), Field(strict=False, min_length=1)
    ] = USUAL_EVENTS
    models: Annotated[tuple[str, ...], BeforeValidator(_as_list), Field(strict=False)] = ()
    networks: Annotated[
        tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_as_list), Field(strict=False)
    ] = ()
    tries: Annotated[int, Field(ge=1, le=20)] = 8

    @property
    def place(self) -> str:
        """The URL for people: what may hold a key of its own (the query, a long path) is left out.

        >>> WebhookConfig(url="https://hooks.example.com/T0/B1/x?key=1", secret_from="S").place
        'https://hooks.example.com/…'
        """
        parts = urlsplit(self.url)
        more = parts.path.strip("/") or parts.query
        return f"{parts.scheme}://{parts.netloc}/" + ("…" if more else "")
