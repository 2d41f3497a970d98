"""Who may talk to a server."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from flyball.serving.guard import Guard, NotLoopback, check_host, is_loopback

TOKEN = "correct horse battery staple"


def through(method="GET", path="/x", token=None, headers=None, kind="http"):
    """The status that the guard answers with, or 200 when the request reaches the app; and the answer's headers."""
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in {"host": "localhost:1", **(headers or {})}.items()]
    scope = {"type": kind, "method": method, "path": path, "headers": raw}
    asyncio.run(Guard(app, token=token, open_paths=frozenset({"/open"}))(scope, receive, send))
    return sent


def status(*arguments, **named):
    return through(*arguments, **named)[0]["status"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST.", "a.localhost"])
def test_names_that_can_only_mean_this_machine_are_loopback(host):
    assert is_loopback(host)
    check_host(host, None)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org", "127.0.0.1.nip.io", ""]
)
def test_other_names_need_a_token_that_cannot_be_guessed(host):
    assert not is_loopback(host)
    for token in (None, "", "short"):
        with pytest.raises(NotLoopback):
            check_host(host, token)
    check_host(host, "t" * 16)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", 200), ("127.0.0.1:8000", 200), ("[::1]:8000", 200), ("evil.example", 421), ("", 421),
        ("evil.example:8000", 421), ("[::1", 421), ("localhost@evil.example", 421),
    ],
)  # fmt: skip
def test_without_a_token_only_loopback_hosts_are_answered(host, expected):
    assert status(headers={"host": host}) == expected


def test_with_a_token_any_host_is_answered_but_only_to_its_holder():
    basic = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    for good in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Basic {basic}"):
        assert status(token=TOKEN, headers={"host": "models.example", "authorization": good}) == 200
    for bad in (
        "",
        "Bearer",
        f"Bearer {TOKEN}x",
        f"Token {TOKEN}",
        "Basic !!!",
        "Basic /w==",
        f"Basic {TOKEN}",
        "Bearer é",
    ):
        sent = through(token=TOKEN, headers={"authorization": bad})
        assert sent[0]["status"] == 401
        assert b"www-authenticate" in dict(sent[0]["headers"])
        assert json.loads(sent[1]["body"])["code"] == "FB-SERVE-011"
    assert status(path="/open", token=TOKEN) == 200


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"origin": "http://localhost:1"}, 200),
        ({"origin": "http://LOCALHOST:1", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://localhost:2"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_a_page_of_another_site_may_read_but_not_change(headers, expected):
    assert status("POST", headers=headers) == expected
    assert status("GET", headers=headers) == 200


def test_refusals_of_head_requests_have_no_body_and_websockets_are_closed():
    sent = through("HEAD", headers={"host": "evil.example"})
    assert sent[0]["status"] == 421
    assert sent[1]["body"] == b""
    assert through(kind="websocket")[0]["type"] == "websocket.close"
