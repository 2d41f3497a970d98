"""What happens on one connection: limits to the byte, requests behind one another, and the short road beside the long one."""

from __future__ import annotations

import asyncio
import http.client
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from flyball.serving.asgi import Receive, Response, Scope, Send
from flyball.serving.connection import HEAD_BYTES, PROMPT_BYTES

Listening = Callable[..., str]


class Echo:
    """Answers on the long road; `POST /quick` has a short one too, which takes bodies that begin with an "s"."""

    def __init__(self) -> None:
        self.prompts = {("POST", "/quick"): self._quick}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/early":
            await Response(413, b"enough").send(send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await Response(200, b"long %d " % len(body) + scope["path"].encode()).send(
            send, head_only=scope["method"] == "HEAD"
        )

    def _quick(self, scope: Scope, body: bytes, reply: Callable[[Response], None]) -> bool:
        if not body.startswith(b"s"):
            return False
        later = Response(200, b"short %d" % len(body), headers={"x-road": "short"})
        asyncio.get_running_loop().call_later(0.05, reply, later)
        return True


@pytest.fixture
def wire(listening: Listening) -> Any:
    host, port = listening(Echo()).split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        yield connection


def read(wire: socket.socket, answers: int) -> list[tuple[int, bytes]]:
    """So many answers, in their order."""
    with wire.makefile("rb") as stream:
        found = []
        for _ in range(answers):
            status, length = int(stream.readline().split()[1]), 0
            while (line := stream.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            found.append((status, stream.read(length)))
        return found


def head(path: str, length: int = 0, method: str = "POST", more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{more}\r\n".encode()


def test_the_short_road_answers_what_it_takes_and_the_long_one_all_else(wire: socket.socket) -> None:
    large = PROMPT_BYTES + 1
    sent = [
        (head("/quick", 2) + b"sa", b"short 2"),
        (head("/quick", 2) + b"xa", b"long 2 /quick"),
        (head("/quick", large) + b"s" * large, b"long %d /quick" % large),
        (head("/quick", 2, method="PUT") + b"sa", b"long 2 /quick"),
        (head("/%71uick", 3) + b"saa", b"short 3"),
        (head("/quick"), b"long 0 /quick"),
        (head("/quick", 1, more="expect: 100-continue\r\n") + b"s", b""),
    ]
    for text, answer in sent[:-1]:
        wire.sendall(text)
        assert read(wire, 1) == [(200, answer)]
    wire.sendall(sent[-1][0])
    with wire.makefile("rb") as stream:
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"


def test_a_body_that_comes_late_is_awaited_on_the_long_road(wire: socket.socket) -> None:
    wire.sendall(head("/quick", 4) + b"s")
    time.sleep(0.6)
    wire.sendall(b"abc")
    assert read(wire, 1) == [(200, b"long 4 /quick")]
    wire.sendall(head("/quick", 4))
    wire.sendall(b"sabc")
    assert read(wire, 1) == [(200, b"short 4")]


def test_requests_behind_one_another_are_answered_in_their_order(wire: socket.socket) -> None:
    some = [head("/quick", 2) + b"sa", head("/a"), head("/quick", 3) + b"saa", head("/b", 1) + b"1"]
    wire.sendall(b"".join(some) + b"nonsense\r\n\r\n")
    *good, (status, refusal) = read(wire, 5)
    assert good == [(200, b"short 2"), (200, b"long 0 /a"), (200, b"long 3 /quick"), (200, b"long 1 /b")]
    assert status == 400
    assert b"FB-SERVE-022" in refusal
    assert wire.recv(1) == b""


@pytest.mark.parametrize("pieces", [1, 40], ids=["at once", "in pieces"])
@pytest.mark.parametrize(("over", "status"), [(-100, 200), (100, 431)])
def test_the_size_of_a_head_is_held_to_however_it_comes(
    wire: socket.socket, pieces: int, over: int, status: int
) -> None:
    bare = len(head("/", more="x: \r\n"))
    text = head("/", more=f"x: {'y' * (HEAD_BYTES + over - bare)}\r\n")
    step = len(text) // pieces + 1
    for start in range(0, len(text), step):
        wire.sendall(text[start : start + step])
    ((found, body),) = read(wire, 1)
    assert found == status
    assert (b"FB-SERVE-024" in body) == (status == 431)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"BREW / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET \xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n",
        b"POST /a HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=["no host", "method", "no text", "two lengths", "chunk", "HTTP/2"],
)
def test_what_is_no_request_is_refused_with_a_code(wire: socket.socket, sent: bytes) -> None:
    wire.sendall(sent)
    ((status, body),) = read(wire, 1)
    assert status == 400
    assert b"FB-SERVE-022" in body
    assert wire.recv(1) == b""


def test_a_wish_for_another_protocol_is_passed_over_and_ends_the_connection(wire: socket.socket) -> None:
    wire.sendall(head("/a", more="connection: upgrade\r\nupgrade: websocket\r\n") + head("/b"))
    assert read(wire, 1) == [(200, b"long 0 /a")]
    assert wire.recv(1) == b""


def test_bytes_that_follow_an_early_answer_are_never_read_as_a_request(wire: socket.socket) -> None:
    wire.sendall(head("/early", 40) + b"x")
    assert read(wire, 1) == [(413, b"enough")]
    wire.sendall(head("/")[:39] + head("/b"))
    assert read(wire, 1) == [(200, b"long 0 /b")]


def test_an_answer_without_a_body_and_old_clients_are_served(listening: Listening) -> None:
    host, port = listening(Echo()).split(":")
    client = http.client.HTTPConnection(host, int(port), timeout=20)
    for _ in range(2):
        client.request("HEAD", "/a")
        answer = client.getresponse()
        assert (answer.status, answer.read(), answer.headers["content-length"]) == (200, b"", "9")
    client.close()
    with socket.create_connection((host, int(port)), timeout=20) as old:
        old.sendall(b"GET /old HTTP/1.0\r\n\r\n")
        assert read(old, 1) == [(200, b"long 0 /old")]
        assert old.recv(1) == b""
