"""Webhooks: what happens in a project is told, signed, once or more, whatever crashes or refuses on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from flyball.config import WebhookConfig
from flyball.ledger import Actor, Draft, KeyFiles, Ledger
from flyball.project import Project
from flyball.registry import REGISTRY
from flyball.store import Database
from flyball.webhooks import AddressRefused, Outbox, SecretUnfit, WebhookUnknown
from support.asking import HandClock, open_at
from support.command_line import flyball
from support.receiver import SECRET, Receiver, receiving
from support.servers import Process, until
from support.stores import Store

ADA = Actor("user", "ada", "test")
HOOK = """
[project]
name = "plant"

[webhooks.chat]
url = "{url}/hook?key=private"
secret_from = "PLANT_SECRET"
networks = ["127.0.0.1"]
{more}
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def make(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Project, HandClock]]:
    """Makes the project, with more lines under the webhook."""
    monkeypatch.setenv("PLANT_SECRET", SECRET)

    def project(more: str = "") -> tuple[Project, HandClock]:
        (tmp_path / "flyball.toml").write_text(HOOK.format(url=receiver.url, more=more), encoding="utf-8")
        return open_at(tmp_path)

    return project


def happen(project: Project, *whats: str, subject: str = "plant@1") -> None:
    """Entries of the ledger, as governed changes make them."""
    with project.database.write("test") as tx:
        project.ledger.append(tx, *(Draft(what, subject, ADA, "because", {}, {"secret": "payload"}) for what in whats))


def states(project: Project) -> list[tuple[str, int]]:
    return [(one.state, one.tries) for one in reversed(project.webhooks.deliveries())]


def test_an_event_is_told_signed_without_its_payload_and_others_are_not(
    make: Callable[..., Any], receiver: Receiver
) -> None:
    project, clock = make()
    happen(project, "run.finished", "gate.refused", "alert.raised", "backup.taken")
    done = project.webhooks.deliver()
    assert (done.delivered, done.failed, done.dead) == (2, 0, 0)
    assert receiver.events() == [("gate.refused", "plant@1"), ("alert.raised", "plant@1")]
    headers, body = receiver.got[0]
    assert body["timestamp"].startswith("2026-03-04T12:00:00")
    assert int(headers["webhook-timestamp"]) == int(clock.now().timestamp())
    assert body["data"] == {
        "project": "plant", "subject": "plant@1", "model": "plant", "version": 1, "reason": "because",
        "by": ADA.to_dict(), "entry": body["data"]["entry"],
    }  # fmt: skip
    assert project.ledger.entry(body["data"]["entry"]["seq"]).hash == body["data"]["entry"]["hash"]
    assert project.webhooks.deliver().delivered == 0
    assert states(project) == [("delivered", 1), ("delivered", 1)]


def test_a_webhook_begins_with_what_happens_after_it_stands_in_the_file(
    make: Callable[..., Any], receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "flyball.toml").write_text('[project]\nname = "plant"\n', encoding="utf-8")
    before, _ = open_at(tmp_path)
    happen(before, "alert.raised")
    before.close()
    project, _ = make('models = "press"')
    happen(project, "alert.raised", subject="press@4")
    happen(project, "alert.raised", subject="plant@4")
    project.webhooks.deliver()
    assert receiver.events() == [("alert.raised", "press@4")]


def test_a_refusal_is_repeated_with_growing_pauses_under_the_same_id_until_it_is_taken(
    make: Callable[..., Any], receiver: Receiver
) -> None:
    receiver.answers = [500, 302, 503]
    project, clock = make()
    happen(project, "alert.raised")
    for seconds in (0, 4, 3, 20, 20, 100, 50, 0):
        clock.forward(seconds=seconds)
        project.webhooks.deliver()
    assert len(receiver.got) == 4
    assert len(set(receiver.ids())) == 1
    times = [int(headers["webhook-timestamp"]) for headers, _ in receiver.got]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == sorted(pauses) and pauses[0] >= 5 and pauses[1] >= 30 and pauses[2] >= 120
    assert states(project) == [("delivered", 4)]


@pytest.mark.parametrize(("answers", "tries"), [([500] * 3, 3), ([410], 1)])
def test_after_so_many_tries_or_when_the_receiver_is_gone_it_is_given_up_and_the_ledger_says_so(
    make: Callable[..., Any], receiver: Receiver, answers: list[int], tries: int
) -> None:
    receiver.answers = list(answers)
    project, clock = make("tries = 3")
    happen(project, "alert.raised")
    for _ in range(6):
        project.webhooks.deliver()
        clock.forward(hours=9)
    assert len(receiver.got) == tries
    assert states(project) == [("dead", tries)]
    [entry] = project.ledger.entries(what="webhook.dead")
    assert (entry.subject, f"in {tries} tries" in entry.why) == ("webhook:chat", True)
    assert entry.binds == {"entry": receiver.got[0][1]["data"]["entry"]["hash"]}
    assert project.ledger.verify().ok


KILLED = """
import sys
from pathlib import Path
import flyball as fb
fb.open(Path(sys.argv[1])).webhooks.deliver()
"""


@pytest.mark.parametrize("point", ["webhooks.collect:after-commit", "webhooks.try:sent", "webhooks.note:after-commit"])
def test_a_kill_anywhere_loses_no_event(
    make: Callable[..., Any], receiver: Receiver, tmp_path: Path, point: str
) -> None:
    project, _ = make()
    happen(project, "alert.raised")
    project.close()
    environment = {**os.environ, "FLYBALL_FAILPOINT": point}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, env=environment)
    assert killed.returncode == -signal.SIGKILL
    later, clock = open_at(tmp_path)
    clock.forward(days=4000)  # the killed process went by the clock of the machine
    later.webhooks.deliver()
    assert {kind for kind, _ in receiver.events()} == {"alert.raised"}
    assert len(set(receiver.ids())) == 1
    assert len(receiver.got) == (2 if point == "webhooks.try:sent" else 1)
    assert [state for state, _ in states(later)] == ["delivered"]


def test_two_processes_tell_of_an_event_once(make: Callable[..., Any], receiver: Receiver, tmp_path: Path) -> None:
    project, _ = make()
    happen(project, *["alert.raised"] * 10)
    others = [subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)]) for _ in range(2)]
    assert [other.wait(60) for other in others] == [0, 0]
    assert sorted(set(receiver.ids())) == sorted(receiver.ids())
    assert len(receiver.got) == 10


def outbox_of(project: Project, resolve: Callable[[str, int], list[str]] | None, **changes: Any) -> Outbox:
    hook = project.config.webhooks["chat"].model_copy(update=changes)
    return Outbox({"chat": hook}, project.ledger, project.clock, project="plant", resolve=resolve)


def test_nothing_is_sent_to_addresses_that_are_not_public_whatever_name_they_have(
    make: Callable[..., Any], receiver: Receiver
) -> None:
    project, _ = make()
    port = receiver.url.rpartition(":")[2]
    names = [
        "127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "017700000001",
        "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254",
        "100.64.0.1", "[fe80::1]", "[fc00::1]", "224.0.0.1", "255.255.255.255",
    ]  # fmt: skip
    for name in names:
        for scheme in ("http", "https"):
            with pytest.raises(AddressRefused):
                outbox_of(project, None, url=f"{scheme}://{name}:{port}/", networks=()).test("chat")
    with pytest.raises(AddressRefused, match="without encryption"):
        outbox_of(project, lambda _host, _port: ["93.184.216.34"], url="http://hooks.example.com/").test("chat")
    assert receiver.got == []


def test_a_name_that_changes_its_address_after_it_was_judged_leads_nowhere_else(
    make: Callable[..., Any], receiver: Receiver
) -> None:
    """DNS rebinding: the first answer is harmless, the next one is this machine."""
    project, _ = make()
    answers = [["203.0.113.9"], ["127.0.0.1"]]
    port = receiver.url.rpartition(":")[2]
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked) - 1, 1)]

    outbox = outbox_of(project, rebinding, url=f"http://evil.example:{port}/", networks=("127.0.0.2",))
    for _ in range(2):
        with pytest.raises(AddressRefused):
            outbox.test("chat")
    mixed = outbox_of(project, lambda _h, _p: ["93.184.216.34", "127.0.0.1"], url="https://e.example/", networks=())
    with pytest.raises(AddressRefused, match=r"127\.0\.0\.1"):
        mixed.test("chat")
    assert (receiver.got, len(asked)) == ([], 2)  # once for each request


def test_a_refused_address_is_a_failed_try_that_says_why(make: Callable[..., Any], receiver: Receiver) -> None:
    project, _ = make()
    happen(project, "alert.raised")
    outbox = outbox_of(project, None, networks=())
    assert (outbox.deliver().failed, receiver.got) == (1, [])
    assert "FB-HOOK-002" in outbox.deliveries()[0].answer


def test_redirects_are_not_followed_and_a_closed_port_is_said(make: Callable[..., Any], receiver: Receiver) -> None:
    project, _ = make()
    receiver.answers = [307]
    answer = project.webhooks.test("chat")
    assert (answer.status, answer.ok, "not followed" in answer.said) == (307, False, True)
    assert len(receiver.got) == 1
    nobody = outbox_of(project, None, url="http://127.0.0.1:1/").test("chat")
    assert (nobody.status, "refused" in nobody.said) == (None, True)


@pytest.mark.parametrize(("secret", "why"), [("", "not set"), ("short", "shorter"), ("whsec_%%", "base64")])
def test_without_a_fit_secret_nothing_is_sent_and_nothing_is_lost(
    make: Callable[..., Any], receiver: Receiver, monkeypatch: pytest.MonkeyPatch, secret: str, why: str
) -> None:
    project, _ = make()
    happen(project, "alert.raised")
    monkeypatch.setenv("PLANT_SECRET", secret)
    assert why in project.webhooks.deliver().unfit["chat"]
    assert states(project) == [("waiting", 0)]
    with pytest.raises(SecretUnfit, match=why):
        project.webhooks.test("chat")
    with pytest.raises(WebhookUnknown, match="no webhook"):
        project.webhooks.test("chap")
    monkeypatch.setenv("PLANT_SECRET", SECRET)
    assert project.webhooks.deliver().delivered == 1


def test_the_server_tells_and_goes_on_after_a_kill(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, start: Callable[..., Process]
) -> None:
    """Through the MLflow protocol, with the interface and the commands showing the same, and the secret nowhere."""
    monkeypatch.setenv("PLANT_SECRET", SECRET)
    gate = '[gate.production]\nroc_auc = ">= 0.9"\n'
    (tmp_path / "flyball.toml").write_text(HOOK.format(url=receiver.url, more=gate), encoding="utf-8")
    receiver.answers = [500]
    server = start(tmp_path)

    def call(path: str, **fields: Any) -> int:
        return httpx.post(f"{server.url}/api/2.0/mlflow/{path}", json=fields).status_code

    assert call("registered-models/create", name="press") == 200
    assert call("model-versions/create", name="press", source="s3://b/m") == 200
    until(lambda: len(receiver.got) == 1)  # answered with 500: it waits to be sent again
    assert call("registered-models/alias", name="press", alias="shadow", version="1") == 200
    assert call("registered-models/alias", name="press", alias="production", version="1") == 403
    server.end(signal.SIGKILL)
    server = start(tmp_path)
    wanted = {("version.registered", "press@1"), ("alias.moved", "press@shadow"), ("gate.refused", "press@1")}
    until(lambda: set(receiver.events()) == wanted and len(receiver.got) >= 4)
    moved = next(body["data"] for _, body in receiver.got if body["type"] == "alias.moved")
    assert (moved["alias"], moved["version"], moved["model"]) == ("shadow", 1, "press")
    until(lambda: httpx.get(f"{server.url}/api/v1/webhooks").json()[0]["delivered"] == 3)
    told = httpx.get(f"{server.url}/api/v1/webhooks").text + httpx.get(f"{server.url}/api/v1/webhooks/deliveries").text
    assert httpx.get(f"{server.url}/api/v1/webhooks/deliveries?hook=chap").status_code == 404
    shown = [flyball("webhooks", *words, folder=tmp_path).answer() for words in (["list"], ["deliveries", "chat"])]
    assert shown[0]["webhooks"][0]["delivered"] == 3
    assert len(shown[1]["deliveries"]) == 3
    assert flyball("webhooks", "test", "chat", folder=tmp_path).answer() == {
        "webhook": "chat", "ok": True, "status": 200, "answer": "HTTP 200",
    }  # fmt: skip
    flyball("debug-bundle", tmp_path / "report.zip", folder=tmp_path).answer()
    with zipfile.ZipFile(tmp_path / "report.zip") as packed:
        bundle = str([packed.read(name) for name in packed.namelist()])
    assert server.end(signal.SIGTERM) == 0
    for text in (told, str(shown), str(server.lines), bundle):
        assert SECRET not in text and "private" not in text and SECRET.removeprefix("whsec_") not in text


def test_a_command_that_changes_something_tells_at_its_end(
    make: Callable[..., Any], receiver: Receiver, tmp_path: Path
) -> None:
    project, _ = make('events = "gate.refused"')
    happen(project, "gate.refused")
    project.close()
    assert flyball("alerts", "list", folder=tmp_path).answer() == {"alerts": []}
    assert receiver.events() == [("gate.refused", "plant@1")]


def test_two_senders_over_one_store_of_either_kind_tell_of_each_event_once(
    store: Store, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two servers on two machines would, with the same database."""
    monkeypatch.setenv("PLANT_SECRET", SECRET)
    hook = WebhookConfig(url=receiver.url, secret_from="PLANT_SECRET", networks=("127.0.0.1",), tries=2)
    clock = HandClock()

    def opened() -> Outbox:
        ledger = Ledger(
            Database.open(store.url, clock, folder=tmp_path),
            clock,
            KeyFiles(tmp_path / "keys"),
            projections=[REGISTRY],
            head=tmp_path / "head.json",
        )
        ledger.begin("plant", ADA)
        return Outbox({"chat": hook}, ledger, clock, project="plant")

    first, second = opened(), opened()
    first.begin()
    receiver.answers = [500]
    with first._database.write("test") as tx:
        first._ledger.append(tx, *(Draft("gate.refused", f"plant@{number}", ADA) for number in range(1, 21)))
    for _ in range(3):
        threads = [threading.Thread(target=outbox.deliver) for outbox in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        clock.forward(seconds=10)
    told = [identity for identity in receiver.ids() if receiver.ids().count(identity) == 1]
    assert (len(receiver.got), len(set(receiver.ids())), len(told)) == (21, 20, 19)  # one was refused, and sent again
    assert {one.state for one in second.deliveries()} == {"delivered"}
    for outbox in (first, second):
        outbox._database.close()
