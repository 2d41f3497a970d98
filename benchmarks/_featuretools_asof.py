"""Run by Featuretools' own interpreter: the same aggregates, each visit with its own cutoff time."""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore")


def main(folder: Path) -> None:
    """Reads the tables, computes, writes answer.npz; prints seconds and version."""
    import featuretools as ft
    import pandas as pd

    tables = {}
    for name in ("visits", "customers", "purchases"):
        tables[name] = pd.DataFrame(dict(np.load(folder / f"{name}.npz")))
        for column in ("when", "at"):
            if column in tables[name]:
                tables[name][column] = pd.to_datetime(tables[name][column], unit="us")
        for column in ("visit_id", "customer_id", "purchase_id"):
            if column in tables[name]:
                tables[name][column] = tables[name][column].astype(int)
    entities = ft.EntitySet("shop")
    entities.add_dataframe(dataframe_name="customers", dataframe=tables["customers"], index="customer_id")
    entities.add_dataframe(
        dataframe_name="purchases", dataframe=tables["purchases"], index="purchase_id", time_index="at"
    )
    entities.add_relationship("customers", "customer_id", "purchases", "customer_id")
    cutoffs = pd.DataFrame({"customer_id": tables["visits"]["customer_id"], "time": tables["visits"]["when"]})
    began = time.perf_counter()
    made, _ = ft.dfs(
        entityset=entities, target_dataframe_name="customers", cutoff_time=cutoffs, max_depth=1,
        agg_primitives=["count", "mean", "sum", "min", "max", "std"], trans_primitives=[], cutoff_time_in_index=True,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    keys = pd.MultiIndex.from_frame(cutoffs)
    made = made.reindex(keys)
    answer = {"count(purchases) by customer_id": made["COUNT(purchases)"].to_numpy(dtype=float)}
    for function in ("mean", "sum", "min", "max", "std"):
        for column in ("amount", "items"):
            values = made[f"{function.upper()}(purchases.{column})"].to_numpy(dtype=float)
            answer[f"{function}(purchases.{column}) by customer_id"] = values
    np.savez(folder / "answer.npz", **answer)
    print(json.dumps({"seconds": seconds, "version": ft.__version__}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
