"""The documentation cannot fall behind: commands, error codes and settings are compared with the code."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import re
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flyball.cli.app import COMMANDS, app
from flyball.ledger.audit import MEANINGS
from flyball_runtime.errors import BadInput, FlyballError, InternalError, Refused


def load_generator(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("flyball_docs_generate", repository / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ROOT = Path(__file__).parents[3]
generate = load_generator(ROOT)
GROUPS = ("alerts", "audit", "export", "import", "keys", "store", "track", "webhooks")
RUNNABLE = [command for command in generate.commands() if command not in GROUPS]


# -- commands


def test_every_command_of_the_program_is_in_the_generated_page() -> None:
    page = generate.cli_page()
    documented = re.findall(r"^## flyball (.+)$", page, re.MULTILINE)
    assert {command.split()[0] for command in documented} == set(COMMANDS)
    for group in GROUPS:
        inner = {name for name in app[group] if not name.startswith("-")}
        assert {command.split()[1] for command in documented if command.startswith(f"{group} ")} == inner
    assert max(Counter(documented).values()) == 1


@pytest.mark.parametrize("command", RUNNABLE)
def test_a_command_says_what_it_does_shows_an_example_and_takes_json(command: str) -> None:
    page = generate.help_of(command)
    assert re.search(rf"^Usage: flyball {command}\b", page, re.MULTILINE)
    examples = re.findall(r"^ {4}(flyball .+)$", page, re.MULTILINE)
    assert examples, f"flyball {command} --help shows no example"
    assert "\nFor example:\n" in page
    assert all(example.startswith(f"flyball {command}") for example in examples)
    assert "--json" in page
    assert "--dir" in page or command == "error"


@pytest.mark.parametrize("command", RUNNABLE)
def test_every_option_of_a_command_says_what_it_is_for(command: str) -> None:
    unexplained = re.findall(
        r"^│ \*? *([A-Z-]+ --[a-z-]+|--[a-z-]+)(?: [A-Z.]+)? *(?:\[.*\])? *│$", generate.help_of(command), re.MULTILINE
    )
    assert unexplained == []


# -- errors


@pytest.fixture(scope="module")
def errors() -> list[type[FlyballError]]:
    found: list[type[FlyballError]] = generate.error_classes()
    return found


def test_every_error_has_a_code_of_its_own_with_the_form_that_is_promised(errors: list[type[FlyballError]]) -> None:
    assert len(errors) > 50
    codes = Counter(error.code for error in errors)
    assert [code for code, count in codes.items() if count > 1] == []
    assert [code for code in codes if not re.fullmatch(r"FB-[A-Z]+-\d{3}", code)] == []


def test_every_error_tells_in_its_own_words_what_it_means(errors: list[type[FlyballError]]) -> None:
    silent = [error.__qualname__ for error in errors if "__doc__" not in vars(error) or not vars(error)["__doc__"]]
    assert silent == []
    short = [error.__qualname__ for error in errors if len(inspect.cleandoc(error.__doc__ or "")) < 20]
    assert short == []


def test_every_error_is_bad_input_a_refusal_or_our_own_fault(errors: list[type[FlyballError]]) -> None:
    kinds = {BadInput: 2, Refused: 1, InternalError: 3}
    for error in errors:
        if error is not FlyballError:
            kind = next(base for base in kinds if issubclass(error, base))
            assert error.exit_code == kinds[kind], error


def test_an_area_belongs_to_one_package(errors: list[type[FlyballError]]) -> None:
    """FB-GATE-003 is found where gates are: a code's area is not spread over packages."""
    homes: dict[str, set[str]] = {}
    for error in errors:
        module = error.__module__.split(".")
        home = ".".join(module[:2]) if module[0] == "flyball" else module[0]
        homes.setdefault(error.code.split("-")[1], set()).add(home)
    assert homes.pop("CORE") == {"flyball.core", "flyball_runtime"}  # the base of all stands in the runtime
    assert {area: sorted(names) for area, names in homes.items() if len(names) > 1} == {}


def test_every_code_has_a_page_with_what_why_fix_and_an_example(errors: list[type[FlyballError]]) -> None:
    index, pages = generate.errors_page(), generate.error_pages_by_name()
    codes = sorted({*(error.code for error in errors), *MEANINGS})
    assert list(pages) == [f"errors/{code}.md" for code in codes]
    assert [error.code for error in errors if f"[{error.code}](errors/{error.code}.md)" not in index] == []
    for error in errors:
        page = pages[f"errors/{error.code}.md"]
        assert re.findall(r"^#+ (.+)$", page, re.MULTILINE) == [
            error.code, "What it means", "Why it happens", "How to mend it", "Example",
        ]  # fmt: skip
        assert f"{error.__name__}:" in page
        assert f"exit code {error.exit_code}" in page
        for section in re.split(r"^## .+$", page, flags=re.MULTILINE)[1:]:
            assert len(section.strip("\n -…")) > 5, error.code
        assert f"```text\n{error.code}  " in page


# -- the project file


def test_every_key_of_the_project_file_is_in_its_reference(repository: Path) -> None:
    from flyball.config.model import DataConfig, ModelConfig, MonitorConfig, ProjectSection, RetentionConfig
    from flyball.config.webhooks import EVENTS, WebhookConfig

    page = (repository / "docs" / "reference" / "project-file.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## \[(\w+)[.\w]*\]\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    known = {"project": ProjectSection, "data": DataConfig, "model": ModelConfig, "monitor": MonitorConfig}
    known |= {"retention": RetentionConfig, "webhooks": WebhookConfig}
    for section, model in known.items():
        documented = set(
            re.findall(r"`(\w+)`", "".join(re.findall(r"^\| ([^|]+) \|", sections[section], re.MULTILINE)))
        )
        assert documented == set(model.model_fields), f"[{section}]"
    assert [event for event in EVENTS if f"`{event}`" not in sections["webhooks"]] == []
    for rule in ("beats_baseline", "no_worse_than", "min", "max", "of"):
        assert re.search(rf"\b{rule}\b", sections["gate"])


def test_the_metrics_that_a_gate_may_name_are_those_that_are_measured_and_documented() -> None:
    from flyball.config.model import KNOWN_METRICS
    from flyball.evaluation import METRICS

    assert set(KNOWN_METRICS) == set(METRICS)
    assert set(re.findall(r"^\| `(\w+)` \|", generate.metrics_page(), re.MULTILINE)) == set(METRICS)


# -- Python


@pytest.fixture(scope="module")
def python_page(repository: Path) -> str:
    return (repository / "docs" / "reference" / "python.md").read_text(encoding="utf-8")


def test_every_public_name_is_in_the_reference(python_page: str) -> None:
    import flyball

    assert [name for name in flyball.__all__ if name not in python_page and name != "__version__"] == []


def test_every_call_in_the_reference_exists_with_the_arguments_that_it_shows(python_page: str) -> None:
    import flyball
    from flyball.project import LearnedModel, Project, Version

    owners: dict[str, Any] = {"fb": flyball, "project": Project, "version": Version, "model": LearnedModel}
    calls = re.findall(r"`(fb|project|version|model)\.(\w+)(?:\(([^`]*)\))?`", python_page)
    assert len(calls) > 15
    for owner, name, arguments in calls:
        found = getattr(owners[owner], name)
        for argument in re.findall(r"(\w+)=", arguments):
            assert argument in inspect.signature(found).parameters, f"{owner}.{name}({argument}=…)"


def test_what_is_said_of_learned_models_holds_of_registered_ones(python_page: str) -> None:
    from flyball.project import Version

    said = re.findall(r"`model\.(\w+)", python_page)
    assert [name for name in said if not hasattr(Version, name)] == []


# -- HTTP


@pytest.fixture(scope="module")
def http_page(repository: Path) -> str:
    return (repository / "docs" / "reference" / "http.md").read_text(encoding="utf-8")


def test_every_path_that_the_inference_server_tells_of_is_in_the_reference(http_page: str) -> None:
    from flyball.serving.describe import describe_server

    told = describe_server({})["paths"]
    assert len(told) > 4
    assert [path for path in told if path not in http_page] == []


def test_every_route_of_the_control_plane_is_in_the_reference(http_page: str) -> None:
    from flyball.api.app import control_app
    from flyball.project.view import ProjectDocuments

    control = control_app(object.__new__(ProjectDocuments))  # only its description is asked for
    document = asyncio.run(asked(control, "/api/v1/openapi.json"))
    routes = [
        f"{method.upper()} {path.removeprefix('/api/v1').replace('{name}', 'NAME').replace('{number}', 'NUMBER')}"
        for path, methods in document["paths"].items()
        for method in methods
    ]
    assert len(routes) > 6
    assert [route for route in routes if f"`{route}`" not in http_page and f"`{route}?" not in http_page] == []


async def asked(control: Any, path: str) -> Any:
    """The JSON that an ASGI application answers to one GET."""
    import httpx

    transport = httpx.ASGITransport(app=control)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return (await client.get(path)).json()


def test_every_status_that_an_error_sets_is_in_the_reference(http_page: str, errors: list[type[FlyballError]]) -> None:
    statuses = {vars(error)["status"] for error in errors if "status" in vars(error)} | {400, 409, 500}
    documented = {
        int(number) for row in re.findall(r"^\| ([\d, ]+) \|", http_page, re.MULTILINE) for number in row.split(",")
    }
    assert documented == statuses


# -- pages


def test_every_page_can_be_reached_from_the_index(repository: Path) -> None:
    docs = repository / "docs"
    index = (docs / "index.md").read_text(encoding="utf-8")
    entries = re.findall(r"^(?:[\w-]+/)+[\w*-]+$", index, re.MULTILINE)
    reached = {path.relative_to(docs) for entry in entries for path in docs.glob(f"{entry}.md")}
    pages = {path.relative_to(docs) for path in docs.rglob("*.md") if "_build" not in path.parts}
    assert pages - reached - {Path("index.md")} - {path for path in pages if "generated" in path.parts} == set()


def test_decision_records_are_numbered_without_gaps_and_say_how_to_undo(repository: Path) -> None:
    records = sorted((repository / "docs" / "adr").glob("*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        text = path.read_text(encoding="utf-8")
        missing = [part for part in ("Context", "Decision", "Consequences", "To undo") if f"**{part}.**" not in text]
        assert missing == [], path.name


def test_the_layers_are_explained_as_they_are_checked(repository: Path) -> None:
    import tomllib

    contracts = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    checked = [name.removeprefix("flyball.") for row in contracts[0]["layers"] for name in row.split(" | ")]
    page = (repository / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?`) \|", page, re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == checked
