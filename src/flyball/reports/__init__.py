"""What people read about a model: the report and the card, made from its evidence document."""

from flyball.reports.card import model_card
from flyball.reports.document import Report
from flyball.reports.report import model_report

__all__ = ["Report", "model_card", "model_report"]
