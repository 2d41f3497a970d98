"""A real browser over the real control plane; only the project behind it is made up."""

from __future__ import annotations

import base64
import importlib.util
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from flyball.api import ProjectView, control_app
from flyball_runtime.errors import BadInput, FlyballError, InternalError, near_miss

ROOT = Path(__file__).resolve().parents[3]


class UnknownModel(BadInput):
    """A name that no model of the made-up project has."""

    code = "FB-REGISTRY-001"


class DamagedStore(InternalError):
    """What the made-up project answers when it is told to fail."""

    code = "FB-STORE-004"


@dataclass
class MadeUpProject:
    """A `ProjectView` whose documents a test may change."""

    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    watched: dict[str, dict[str, Any]] = field(default_factory=dict)
    raised: list[dict[str, Any]] = field(default_factory=list)
    failure: FlyballError | None = None
    problems: list[dict[str, str]] = field(default_factory=list)

    def project(self) -> Mapping[str, Any]:
        self._fail()
        return {"name": "paper-mill", "version": "0.1.0", "models": list(self.documents)}

    def status(self) -> Mapping[str, Any]:
        self._fail()
        models = [brief(model) for model in self.documents.values()]
        alerts = self.alerts()
        return {"project": "paper-mill", "models": models, "alerts": alerts, "predictions": 5070, "outcomes": 12}

    def models(self) -> list[dict[str, Any]]:
        return list(self.documents.values())

    def model(self, name: str) -> Mapping[str, Any]:
        self._fail()
        if name not in self.documents:
            raise UnknownModel(
                f'there is no model "{name}"', fix=near_miss(name, self.documents) or "flyball status lists them"
            )
        return self.documents[name]

    def version(self, name: str, number: int) -> Mapping[str, Any]:
        return next(one for one in self.model(name)["versions"] if one["number"] == number)

    def report(self, name: str, number: int) -> str:
        return f"<!doctype html><title>Report</title><h1>Report of {name}@{number}</h1>"

    def audit(self) -> Mapping[str, Any]:
        return {"ok": not self.problems, "problems": self.problems}

    def doctor(self) -> Mapping[str, Any]:
        raise AssertionError("the page examines nothing")

    def slices(self, name: str, number: int, by: str | None = None) -> Mapping[str, Any]:
        raise AssertionError("the page reads them in the evidence")

    def compare(self, name: str, number: int, other: str) -> Mapping[str, Any]:
        self._fail()
        document: dict[str, Any] = self.version(name, 4)["evidence"]["comparisons"]["champion"]
        return {**document, "model": f"{name}@{number}", "with": other, "text": f"no clear difference to {other}"}

    def watch(self, name: str, since: str, limit: int) -> Mapping[str, Any]:
        self.model(name)
        return self.watched[name]

    def alerts(self, model: str | None = None, resolved: bool = False) -> list[dict[str, Any]]:
        known = [one for one in self.raised if model in {None, one["model"]}]
        return [one for one in known if resolved or one["state"] != "resolved"]

    def settle_alert(self, number: int, action: str, reason: str, actor: Mapping[str, str]) -> Mapping[str, Any]:
        raise AssertionError("the page changes nothing")

    def promote(self, name: str, number: int, alias: str, reason: str, actor: Mapping[str, str]) -> Mapping[str, Any]:
        raise AssertionError("the page changes nothing")

    def _fail(self) -> None:
        if self.failure:
            raise self.failure


def brief(model: dict[str, Any]) -> dict[str, Any]:
    """A model as `flyball status` tells of it."""
    newest = model["versions"][0] if model["versions"] else None
    quality = newest["evidence"].get("metrics", {}).get("test", {}).get(model["metric"]) if newest else None
    return {
        "name": model["name"], "task": model["task"] if newest else None, "versions": len(model["versions"]),
        "newest": f"{model['name']}@{newest['number']}" if newest else None, "created": newest["created"] if newest else None,
        "metric": model["metric"] if newest else None, "quality": quality, "aliases": model["aliases"],
    }  # fmt: skip


class Server:
    """The control plane over a view, on a free loopback port; `pause` closes it and `resume` opens the same port."""

    def __init__(self, view: ProjectView, *, password: str | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self._app = asks_for(password, control_app(view)) if password else control_app(view)
        self.resume()

    def resume(self) -> None:
        config = uvicorn.Config(self._app, host="127.0.0.1", port=self.port, log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline, "the control plane did not start"
            time.sleep(0.01)

    def pause(self) -> None:
        self._server.force_exit = self._server.should_exit = True
        self._thread.join(20)


def load(path: Path) -> ModuleType:
    """A file beside the packages, as a module."""
    spec = importlib.util.spec_from_file_location(f"console_{path.stem}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def asks_for(password: str, app: Any) -> Any:
    """The app behind a proxy that asks for a password the way browsers understand."""
    expected = b"Basic " + base64.b64encode(f"ada:{password}".encode())

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        if dict(scope["headers"]).get(b"authorization") == expected:
            await app(scope, receive, send)
        else:
            headers = [(b"www-authenticate", b'Basic realm="mill"'), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": b""})

    return proxy


@pytest.fixture(scope="session")
def hook() -> ModuleType:
    """The package's build hook."""
    return load(ROOT / "hatch_build.py")


@pytest.fixture(scope="session")
def console_built(hook: ModuleType) -> Path:
    """The folder `web`, with the console built from exactly these sources and its packages in place."""
    hook.build_console(ROOT)
    with hook.alone(ROOT / "web"):
        hook.install_packages(ROOT / "web")
    return ROOT / "web"


@pytest.fixture
def project() -> MadeUpProject:
    made_up, proofs, watching = (
        load(Path(__file__).with_name(f"{name}.py")) for name in ("documents", "proofs", "watching")
    )
    documents = {"machines": made_up.machines(), "prices": made_up.prices(), "letters": made_up.letters()}
    proofs.prove(documents)
    return MadeUpProject(documents, {name: watching.watch(name) for name in documents}, watching.alerts())


@pytest.fixture
def damaged() -> FlyballError:
    return DamagedStore("the store is damaged", why="page 3 cannot be read", fix="restore the newest backup")


@pytest.fixture
def serve(console_built: Path) -> Iterator[Callable[..., Server]]:
    """Serves a view until the test is over."""
    running: list[Server] = []

    def serve(view: ProjectView, *, password: str | None = None) -> Server:
        running.append(Server(view, password=password))
        return running[-1]

    yield serve
    for server in running:
        server.pause()


@pytest.fixture
def server(project: MadeUpProject, serve: Callable[..., Server]) -> Server:
    return serve(project)


@pytest.fixture
def guarded(project: MadeUpProject, serve: Callable[..., Server]) -> Server:
    """A server behind a proxy that asks ada for the password "sesame"."""
    return serve(project, password="sesame")


Opener = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Opener]:
    """Opens a page of a given width and colour scheme; at the end it must have had nothing to complain about.

    A test that provokes failing requests passes `complaints=False`.
    """
    opened: list[tuple[BrowserContext, list[str]]] = []

    def open_page(width: int = 1440, scheme: str = "light", *, complaints: bool = True) -> Page:
        size: ViewportSize = {"width": width, "height": 844 if width < 600 else 900}
        context = browser.new_context(
            viewport=size, color_scheme="dark" if scheme == "dark" else "light", timezone_id="UTC"
        )
        context.set_default_timeout(15_000)
        said: list[str] = []
        page = context.new_page()
        if complaints:
            page.on(
                "console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None
            )
        page.on("pageerror", lambda error: said.append(str(error)))
        opened.append((context, said))
        return page

    yield open_page
    for context, _ in opened:
        context.close()
    assert [line for _, said in opened for line in said] == []


@pytest.fixture
def picture() -> Callable[[Page, str], None]:
    """Keeps a picture of the whole page below build/, for people to look at."""

    def picture(page: Page, name: str, *, full: bool = True) -> None:
        folder = ROOT / "build" / "console"
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png", full_page=full)

    return picture


@pytest.fixture
def assert_accessible(console_built: Path) -> Callable[[Page], None]:
    """axe finds nothing serious or critical on the page."""
    script = (console_built / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")

    def assert_accessible(page: Page) -> None:
        page.evaluate(script + "; 0")
        found = page.evaluate("async () => (await axe.run(document)).violations")
        serious = [
            f"{item['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
            for item in found
            if item["impact"] in {"serious", "critical"}
            for node in item["nodes"]
        ]
        assert serious == []

    return assert_accessible
