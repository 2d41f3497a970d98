"""The control plane over a view with known documents."""

from __future__ import annotations

import asyncio
import getpass
import json
import threading

import httpx
import pytest

from flyball.api import control_app, serve_console
from flyball.serving import NotLoopback
from flyball_runtime.errors import BadInput, InternalError, Refused


class Unknown(BadInput):
    code = "FB-REG-404"


class GateSaysNo(Refused):
    code = "FB-GATE-003"


class Damaged(InternalError):
    code = "FB-STORE-001"


VERSION = {"number": 1, "created": "2026-01-01T00:00:00Z", "evidence": {"metrics": {"test": {"r2": float("nan")}}}}


class View:
    """One model with one version; keeps what it was asked to do."""

    def __init__(self):
        self.promoted = []

    def project(self):
        return {"name": "plant", "version": "0.1.0", "models": ["machines"]}

    def models(self):
        return [self.model("machines")]

    def model(self, name):
        if name != "machines":
            raise Unknown(f"unknown model {name}", fix='did you mean "machines"?')
        return {"name": name, "versions": [VERSION]}

    def version(self, name, number):
        self.model(name)
        if number != 1:
            raise Unknown(f"machines has no version {number}")
        return VERSION

    def report(self, name, number):
        return f"<!doctype html><p>{self.version(name, number)['number']}</p>"

    def slices(self, name, number, by=None):
        self.version(name, number)
        return {"model": name, "version": number, "slices": {"overall": float("nan")}, "by": by}

    def compare(self, name, number, other):
        self.version(name, number)
        return {"model": f"{name}@{number}", "with": other, "comparable": True}

    def ledger(self, subject=None, limit=100):
        return [{"seq": 7, "subject": subject}][:limit]

    def audit(self):
        raise Damaged("the store is damaged", where="entry 7")

    def doctor(self):
        return {"ok": False, "checks": [{"name": "keys", "state": "problem"}]}

    def promote(self, name, number, alias, reason, actor):
        if alias == "production":
            raise GateSaysNo("machines@1 was not promoted", facts={"rule": "roc_auc >= 0.9", "measured": "0.80"})
        self.promoted.append((name, number, alias, reason, dict(actor)))
        return {"gate": alias, "passed": True, "results": []}


@pytest.fixture
def view():
    return View()


@pytest.fixture
def ask(view, tmp_path):
    def send(method, path, *, app=None, **arguments):
        async def go():
            chosen = app or control_app(view, actor_id="ada", console=tmp_path / "console")
            transport = httpx.ASGITransport(chosen, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, **arguments)

        return asyncio.run(go())

    return send


def test_documents_are_sent_as_the_view_gives_them_with_null_for_what_is_no_number(ask):
    assert ask("GET", "/api/v1/project").json()["models"] == ["machines"]
    assert ask("GET", "/api/v1/models").json()[0]["name"] == "machines"
    assert ask("GET", "/api/v1/models/machines").json()["versions"][0]["number"] == 1
    version = ask("GET", "/api/v1/models/machines/versions/1").json()
    assert version["evidence"]["metrics"]["test"]["r2"] is None
    assert ask("GET", "/api/v1/doctor").json()["checks"][0]["state"] == "problem"
    assert ask("GET", "/api/v1/ledger?subject=machines&limit=5").json() == [{"seq": 7, "subject": "machines"}]


def test_slices_and_comparisons_are_asked_of_the_view(ask):
    found = ask("GET", "/api/v1/models/machines/versions/1/slices?by=site").json()
    assert found == {"model": "machines", "version": 1, "slices": {"overall": None}, "by": "site"}
    assert ask("GET", "/api/v1/models/machines/versions/1/compare/production").json()["with"] == "production"
    assert ask("GET", "/api/v1/models/machines/versions/2/slices").status_code == 404
    assert ask("GET", "/api/v1/models/machines/versions/2/compare/1").status_code == 404


def test_the_report_is_a_page_under_a_policy_without_script(ask):
    answer = ask("GET", "/api/v1/models/machines/versions/1/report")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.endswith("<p>1</p>")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/models/machine", 404, "FB-REG-404"),
        ("/models/machines/versions/2", 404, "FB-REG-404"),
        ("/models/machines/versions/2/report", 404, "FB-REG-404"),
        ("/models/machines/versions/two", 400, "FB-API-001"),
        ("/ledger?limit=0", 400, "FB-API-001"),
        ("/ledger?limit=many", 400, "FB-API-001"),
        ("/audit", 500, "FB-STORE-001"),
        ("/nothing", 404, "FB-API-003"),
    ],
)
def test_errors_are_coded(ask, path, status, code):
    answer = ask("GET", f"/api/v1{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["error"]


def test_an_unforeseen_failure_is_coded_and_keeps_its_details(ask, view):
    view.models = lambda: 1 / 0
    answer = ask("GET", "/api/v1/models")
    assert (answer.status_code, answer.json()["code"]) == (500, "FB-API-004")
    assert "division" not in answer.text


PROMOTE = "/api/v1/models/machines/promote"
GOOD = {"number": 1, "alias": "staging", "reason": " first version "}


def test_a_promotion_is_made_in_the_name_of_the_account_never_of_the_body(ask, view):
    answer = ask("POST", PROMOTE, json=GOOD)
    assert answer.json()["passed"] is True
    actor = {"kind": "user", "id": "ada", "auth": "loopback"}
    assert view.promoted == [("machines", 1, "staging", "first version", actor)]
    assert ask("POST", PROMOTE, json={**GOOD, "actor": {"id": "eve"}}).status_code == 400


def test_a_gate_that_says_no_is_a_conflict_with_its_reasons(ask):
    answer = ask("POST", PROMOTE, json={**GOOD, "alias": "production"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "FB-GATE-003"
    assert answer.json()["facts"] == {"rule": "roc_auc >= 0.9", "measured": "0.80"}


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (json.dumps(GOOD), "text/plain", 415),
        (json.dumps(GOOD), "application/x-www-form-urlencoded", 415),
        (json.dumps(GOOD), "", 415),
        ("{", "application/json", 400),
        ("[]", "application/json", 400),
        (json.dumps({**GOOD, "number": "1"}), "application/json", 400),
        (json.dumps({**GOOD, "number": True}), "application/json", 400),
        (json.dumps({**GOOD, "number": 2}), "application/json", 404),
        (json.dumps({**GOOD, "reason": "  "}), "application/json", 400),
        (json.dumps({"number": 1, "alias": "staging"}), "application/json", 400),
        (json.dumps({**GOOD, "reson": "x"}), "application/json", 400),
        (" " * 100_000, "application/json", 413),
        (json.dumps(GOOD), "application/json; charset=utf-8", 200),
    ],
)
def test_a_promotion_that_is_not_asked_for_properly_changes_nothing(ask, view, content, kind, status):
    answer = ask("POST", PROMOTE, content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert bool(view.promoted) == (status == 200)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"host": "evil.example"}, 421),
        ({"origin": "http://localhost"}, 200),
    ],
)
def test_a_page_of_another_site_or_name_cannot_promote(ask, view, headers, status):
    answer = ask("POST", PROMOTE, json=GOOD, headers=headers)
    assert answer.status_code == status
    assert bool(view.promoted) == (status == 200)


def test_with_a_token_everything_needs_it_and_the_ledger_learns_of_it(ask, view):
    app = control_app(view, token="t" * 20, actor_id="ada")
    assert ask("GET", "/api/v1/project", app=app).status_code == 401
    assert ask("GET", "/", app=app).status_code == 401
    headers = {"authorization": "Bearer " + "t" * 20, "host": "flyball.example"}
    assert ask("POST", PROMOTE, json=GOOD, headers=headers, app=app).status_code == 200
    assert view.promoted[0][4]["auth"] == "token"


def test_every_answer_carries_the_security_headers(ask):
    for path in ("/", "/api/v1/project", "/api/v1/nothing", "/api/v1/models/machines/versions/1/report"):
        headers = ask("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
    assert (
        ask("GET", "/api/v1/project", headers={"host": "evil.example"}).headers["x-content-type-options"] == "nosniff"
    )


def test_the_description_names_every_route_and_its_errors(ask):
    described = ask("GET", "/api/v1/openapi.json").json()
    assert set(described["paths"]) == {
        "/api/v1/project",
        "/api/v1/status",
        "/api/v1/models/{name}/aliases/{alias}",
        "/api/v1/runs",
        "/api/v1/runs/columns",
        "/api/v1/runs/points",
        "/api/v1/runs/diff",
        "/api/v1/webhooks",
        "/api/v1/webhooks/deliveries",
        "/api/v1/models/{name}/versions/{number}/diff/{other}",
        "/api/v1/models",
        "/api/v1/models/{name}",
        "/api/v1/models/{name}/versions/{number}",
        "/api/v1/models/{name}/versions/{number}/report",
        "/api/v1/models/{name}/versions/{number}/slices",
        "/api/v1/models/{name}/versions/{number}/compare/{other}",
        "/api/v1/models/{name}/promote",
        "/api/v1/models/{name}/watch",
        "/api/v1/alerts",
        "/api/v1/alerts/{number}/acknowledge",
        "/api/v1/alerts/{number}/resolve",
        "/api/v1/ledger",
        "/api/v1/audit",
        "/api/v1/doctor",
    }
    promote = described["paths"]["/api/v1/models/{name}/promote"]["post"]
    assert {"200", "404", "409"} <= set(promote["responses"])
    assert promote["requestBody"]["required"] is True
    assert "evidence" in described["components"]["schemas"]["VersionDocument"]["properties"]


def test_the_consoles_files_are_served_and_nothing_beside_them(ask, tmp_path):
    missing = ask("GET", "/")
    assert missing.status_code == 503
    assert "not built yet" in missing.text
    folder = tmp_path / "console"
    (folder / "assets").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "index.html").write_text("<!doctype html><title>console</title>")
    (folder / "assets" / "app-1a2b.js").write_text("1")
    page = ask("GET", "/")
    assert "console" in page.text and page.headers["cache-control"] == "no-cache"
    script = ask("GET", "/assets/app-1a2b.js")
    assert "javascript" in script.headers["content-type"] and "immutable" in script.headers["cache-control"]
    for path in (
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets",
        "/none.js",
        "/" + "x" * 5000,
        "/a%00b",
    ):
        assert ask("GET", path).status_code == 404
    assert ask("HEAD", "/").content == b""
    assert ask("PUT", "/").status_code == 405


def test_the_console_listens_where_it_says_and_stops_when_asked(view, monkeypatch):
    monkeypatch.delenv("FLYBALL_TOKEN", raising=False)
    with pytest.raises(NotLoopback):
        serve_console(view, host="0.0.0.0", port=0)
    stop, ready, urls = threading.Event(), threading.Event(), []

    def tell(url):
        urls.append(url)
        ready.set()

    thread = threading.Thread(target=serve_console, args=(view,), kwargs={"port": 0, "on_ready": tell, "stop": stop})
    thread.start()
    try:
        assert ready.wait(20)
        assert httpx.get(f"{urls[0]}/api/v1/project").json()["name"] == "plant"
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


def test_a_control_plane_starts_under_an_account_without_a_name(ask, view, monkeypatch):
    def nameless():
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nameless)
    promote = {"number": 1, "alias": "staging", "reason": "nightly"}
    assert ask("POST", PROMOTE, json=promote, app=control_app(view)).status_code == 200
    assert view.promoted[0][4]["id"] == "unknown"
