"""The report as a value: printed in a terminal, shown in a notebook, saved as a page."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flyball.charts import number
from flyball.core.files import write_atomic
from flyball.reports.conformal import conformal_sentence
from flyball.reports.report import model_report

__all__ = ["Report"]


class Report:
    """A model's report. `print(report)` summarises it, `report.save(path)` writes the page, a notebook shows it."""

    def __init__(
        self,
        evidence: Mapping[str, Any],
        *,
        version: int | None = None,
        verdicts: Sequence[Mapping[str, Any]] = (),
        bundle: Mapping[str, Any] | None = None,
        trail: Mapping[str, Any] | None = None,
    ) -> None:
        self._evidence = evidence
        self._version = version
        self._verdicts = verdicts
        self._bundle = bundle
        self._trail = trail

    @property
    def html(self) -> str:
        """The self-contained page."""
        return model_report(
            self._evidence, version=self._version, verdicts=self._verdicts, bundle=self._bundle, trail=self._trail
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page; its path. Raises CannotWrite or StoreFull."""
        target = Path(path)
        write_atomic(target, self.html.encode(), label="report.save")
        return target

    def __str__(self) -> str:
        evidence = self._evidence
        name = evidence["model"] + (f"@{self._version}" if self._version else "")
        split = evidence["split"]
        lines = [f"{name}: {evidence['task']} of {evidence['target']}", f"split by {split['kind']}: {split['why']}"]
        for metric, found in evidence["metrics"]["test"].items():
            mark = "*" if metric == evidence["metric"] else " "
            interval = f"[{number(found['low'])}, {number(found['high'])}]"
            lines.append(f"{mark} {metric:<22} {number(found['value']):>8} {interval}")
        if said := conformal_sentence(evidence.get("conformal") or {}):
            lines.append(said)
        lines += [f"left out {item['column']}: {item['why']}" for item in evidence["data"]["left_out"]]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        page = html.escape(self.html, quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:720px;border:0" title="model report"></iframe>'
