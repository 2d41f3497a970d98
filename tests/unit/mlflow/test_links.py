"""A link is good for what it was signed for, for as long as it was signed for, on every server with the same token."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flyball.mlflow import Links
from flyball.mlflow.links import base_url
from support.asking import HandClock

BLOB, OTHER = "blobs/" + "ab" * 32, "blobs/" + "cd" * 32
PART = "parts/" + "ef" * 16 + "/7"


def scope(method: str, link: str) -> dict[str, Any]:
    path, _, query = link.partition("?")
    return {"type": "http", "method": method, "path": path, "query_string": query.encode()}


@pytest.mark.parametrize(("method", "path"), [("GET", BLOB), ("PUT", PART)])
def test_a_link_is_good_until_it_ends_on_every_server_with_the_token(method: str, path: str) -> None:
    clock = HandClock()
    link = Links("the token", clock).sign(method, path, 60)
    other = Links("the token", clock)
    assert other.holds(scope(method, link))
    assert other.holds(scope("HEAD" if method == "GET" else method, link))
    clock.moment += timedelta(seconds=59)
    assert other.holds(scope(method, link))
    clock.moment += timedelta(seconds=1)
    assert not other.holds(scope(method, link))


def test_a_link_is_good_for_nothing_else() -> None:
    links = Links("the token", HandClock())
    link = links.sign("GET", BLOB, 60)
    ends = int(link.split("expires=")[1].split("&")[0])
    for changed in (
        link.replace(BLOB, OTHER), link.replace(str(ends), str(ends + 1)), link[:-1], link.split("&")[0],
        link.replace(f"expires={ends}", "expires=x"), link.replace(f"expires={ends}", f"expires={'9' * 40}"),
        link.replace("signature=", "signature=é"), link.replace(BLOB, "artifacts/0/run/artifacts/file"),
        links.sign("GET", "artifacts/0/run/artifacts/file", 60),
    ):  # fmt: skip
        assert not links.holds(scope("GET", changed)), changed
    assert not links.holds(scope("PUT", link))
    assert not links.holds({**scope("GET", link), "type": "websocket"})
    assert not Links("another token", HandClock()).holds(scope("GET", link))


def test_a_link_leads_to_where_the_client_came_in() -> None:
    asked = {"scheme": "http"}
    assert base_url(asked, {"host": "tracking:5000"}) == "http://tracking:5000"
    behind = {"host": "10.0.0.7:5000", "x-forwarded-proto": "https", "x-forwarded-host": "ml.plant, 10.0.0.7"}
    assert base_url(asked, behind) == "https://ml.plant"
    assert base_url(asked, {"host": "a", "x-forwarded-proto": "javascript"}) == "http://a"
