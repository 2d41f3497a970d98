"""A shop's tables: orders whose freight follows from the weights of what is on their lines."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import numpy as np

__all__ = ["RELATED", "write_shop"]

RELATED = ("lines", "customers", "products")


def write_shop(folder: Path, orders: int = 400) -> None:
    """orders.csv, lines.csv, customers.csv and products.csv; an order is shipped, and its freight known, days later."""
    rng = np.random.default_rng(3)
    weights = rng.uniform(0.2, 9.0, 20).round(2)
    days = np.cumsum(rng.integers(0, 3, orders))
    lines, sums = [], np.zeros(orders)
    for order in range(orders):
        for product in rng.choice(20, rng.integers(1, 5), replace=False):
            quantity = int(rng.integers(1, 9))
            sums[order] += weights[product] * quantity
            lines.append([len(lines) + 1, 1000 + order, product + 1, quantity])
    first = date(2024, 1, 1)
    rows = [
        [
            1000 + order, f"C{rng.integers(30):02}", first + timedelta(days=int(days[order])),
            first + timedelta(days=int(days[order] + rng.integers(1, 9))), round(sums[order] + rng.normal(), 2),
        ]
        for order in range(orders)
    ]  # fmt: skip
    _write(folder / "orders.csv", ["order_id", "customer_id", "order_date", "shipped_date", "freight"], rows)
    _write(folder / "lines.csv", ["line_id", "order_id", "product_id", "quantity"], lines)
    people = [[f"C{n:02}", ("north", "south", "east")[n % 3], f"person{n}@example.org"] for n in range(30)]
    _write(folder / "customers.csv", ["customer_id", "region", "email"], people)
    _write(folder / "products.csv", ["product_id", "weight"], [[n + 1, weights[n]] for n in range(20)])


def _write(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
