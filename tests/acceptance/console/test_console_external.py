"""A model that another tool made has a page: what its run logged, its gates and its history, and no broken link."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from flyball.project import Project
from flyball.project.view import ProjectDocuments
from flyball.server import open_for_server
from flyball.testing.registries import TESTER

NO_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Project]:
    """A registry that holds two versions of one model, both of another tool; the gate refuses the first."""
    open_for_server(tmp_path)[0].close()
    file = tmp_path / "flyball.toml"
    file.write_text(file.read_text("utf-8") + '\n[gate.production]\nroc_auc = ">= 0.9"\n', "utf-8")
    opened, _ = open_for_server(tmp_path)
    for auc in (0.8, 0.95):
        evidence: dict[str, Any] = {
            "task": "external", "metric": None, "target": None, "source": "mlflow-artifacts:/0/ab/artifacts/model",
            "run": {"id": "ab" * 16, "name": "hearty-hinge", "user": ""}, "logged": {"roc_auc": auc}, "params": {"depth": "4"},
            "metrics": {"test": {"roc_auc": {"value": auc, "low": None, "high": None}}},
            "data": {"version": None, "personal": [], "inputs": [{"name": "orders", "digest": "d1"}]},
            "code": {"commit": "c0ffee"},
        }  # fmt: skip
        opened.registry.register_external(
            "fraud", files={}, evidence=evidence, run_id=None, actor=TESTER, reason="a better one"
        )
    opened.promote("fraud@2", "production", reason="the first that may")
    yield opened
    opened.close()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_the_only_model_of_another_tool_opens_on_its_page(
    shop: Project, serve: Callable[..., Any], open_page: Callable[..., Page], assert_accessible: Callable[[Page], None],
    picture: Callable[[Page, str], None], width: int, scheme: str,
) -> None:  # fmt: skip
    page = open_page(width, scheme)
    page.goto(serve(ProjectDocuments(shop)).url)
    expect(page.get_by_role("heading", name="fraud", exact=True)).to_be_visible()
    expect(page.get_by_text("Made by another tool")).to_be_visible()
    expect(page.get_by_role("region", name="What its run measured")).to_contain_text("0.95")
    expect(page.get_by_role("region", name="Parameters")).to_contain_text("depth")
    expect(page.get_by_role("region", name="Gates")).to_contain_text("lets it in")
    expect(page.get_by_role("region", name="History")).to_contain_text("the first that may")
    assert page.evaluate(NO_OVERFLOW) == 0
    assert_accessible(page)
    picture(page, f"external-{width}-{scheme}")
    page.get_by_label("Version", exact=True).select_option("1")
    expect(page.get_by_role("region", name="Gates")).to_contain_text("refuses it")


def test_every_document_of_the_interface_knows_such_a_model(shop: Project) -> None:
    documents = ProjectDocuments(shop)
    [model] = documents.models()
    assert (model["task"], model["target"], model["metric"]) == ("external", None, None)
    assert [version["bundle"] for version in model["versions"]] == [None, None]
    assert documents.version("fraud", 1)["evidence"]["logged"] == {"roc_auc": 0.8}
    assert documents.status()["models"][0]["quality"] is None
