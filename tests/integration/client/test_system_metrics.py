"""System metrics of `fb.track()`: right, under MLflow's names, and never in the way of a training."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import psutil
import pytest

import flyball as fb
from flyball.client.system import Sampling, SystemMetrics

NAMES = {
    "cpu_utilization_percentage", "system_memory_usage_megabytes", "system_memory_usage_percentage",
    "disk_usage_percentage", "disk_usage_megabytes", "disk_available_megabytes", "network_receive_megabytes",
    "network_transmit_megabytes",
}  # fmt: skip


def test_values_are_those_that_another_library_reads() -> None:
    metrics = SystemMetrics()
    before = time.process_time()
    while time.process_time() - before < 0.2:  # something for the processor to do
        pass
    found = {name.removeprefix("system/"): value for name, value in metrics.sample().items()}
    assert found.keys() == NAMES
    memory, disk = psutil.virtual_memory(), psutil.disk_usage("/")
    assert found["system_memory_usage_percentage"] == pytest.approx(memory.percent, abs=5)
    assert found["system_memory_usage_megabytes"] == pytest.approx((memory.total - memory.available) / 1e6, rel=0.1)
    assert found["disk_usage_percentage"] == pytest.approx(disk.percent, abs=2)
    assert found["disk_available_megabytes"] == pytest.approx(disk.free / 1e6, rel=0.05)
    assert 0 < found["cpu_utilization_percentage"] <= 100
    assert found["network_receive_megabytes"] >= 0


def test_a_machine_that_tells_less_gives_fewer_metrics_and_no_error(tmp_path: Path) -> None:
    assert SystemMetrics(tmp_path, tmp_path / "none").sample() == {}
    (tmp_path / "stat").write_text("cpu  1 2\nodd")
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\n")
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "dev").write_text("a\nb\neth0: 5 x")
    assert SystemMetrics(tmp_path, tmp_path / "none").sample() == {}
    (tmp_path / "stat").write_text("cpu  60 0 20 15 5 0 0 0\n")
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 250 kB\n")
    (tmp_path / "net" / "dev").write_text("a\nb\neth0: 1000000 0 0 0 0 0 0 0 0 0\n lo:1 0 0 0 0 0 0 0 0 0\n")
    metrics = SystemMetrics(tmp_path, tmp_path / "none")
    (tmp_path / "stat").write_text("cpu  120 0 50 20 10 0 0 0\n")
    (tmp_path / "net" / "dev").write_text("a\nb\neth0: 3500000 0 0 0 0 0 0 0 9 0\n lo:1 0 0 0 0 0 0 0 0 0\n")
    assert metrics.sample() == pytest.approx(
        {
            "system/cpu_utilization_percentage": 90.0,
            "system/system_memory_usage_megabytes": 0.768,
            "system/system_memory_usage_percentage": 75.0,
            "system/network_receive_megabytes": 2.5,
            "system/network_transmit_megabytes": 9e-6,
        }
    )


def test_a_run_holds_them_with_growing_steps_and_none_after_its_end(tmp_path: Path) -> None:
    run = fb.track(None, spool=tmp_path, system_every_s=0.1)
    deadline = time.monotonic() + 20
    points: list[dict[str, object]] = []
    while len({point["step"] for point in points}) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
        run.flush(0)
        points = system_points(tmp_path)
    run.finish()
    assert not [thread for thread in threading.enumerate() if thread.name == "flyball-system"]
    assert {str(point["key"]).removeprefix("system/") for point in points} == NAMES
    assert sorted({point["step"] for point in points})[:3] == [0, 1, 2]
    assert run.trouble is None
    with fb.track(None, spool=tmp_path / "none", system_every_s=None):
        assert not [thread for thread in threading.enumerate() if thread.name == "flyball-system"]
    assert system_points(tmp_path / "none") == []


def system_points(spool: Path) -> list[dict[str, object]]:
    """The points of system metrics that wait in a folder."""
    records = [json.loads(line) for file in spool.glob("*.jsonl") for line in file.read_text().splitlines()]
    return [
        {"key": key, "step": record["step"], "value": value}
        for record in records
        if record["kind"] == "metrics"
        for key, value in record["values"].items()
        if key.startswith("system/")
    ]


def test_a_sample_that_fails_ends_nothing() -> None:
    told = threading.Event()
    calls: list[int] = []

    def fails_once(_: object, step: int) -> None:
        calls.append(step)
        if step == 0:
            raise OSError(os.strerror(5))
        told.set()

    sampling = Sampling(0.01, fails_once)
    assert told.wait(20)
    sampling.stop()
    assert calls[:2] == [0, 1]
