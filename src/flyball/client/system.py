"""How busy the machine is while a training runs, read from Linux's own counters: processor, memory, disk, network."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["Sampling", "SystemMetrics"]

_MEGA = 1e6
_PROC = Path("/proc")


class SystemMetrics:
    """Takes samples. Their names are those that MLflow's clients log and its pages show, below `system/`.

    Megabytes are of 10^6 bytes. Processor use is that of the whole machine, in per cent, since the sample before;
    network counts from when this was made. What the machine does not tell is left out.
    """

    def __init__(self, proc: Path = _PROC, disk: Path = Path("/")) -> None:
        self._proc, self._disk = proc, disk
        self._ticks = self._read_ticks()
        self._network = self._read_network()

    def sample(self) -> dict[str, float]:
        """The values now, by name."""
        found: dict[str, float] = {}
        for part in (self._cpu, self._memory, self._space, self._traffic):
            with suppress(OSError, ValueError, KeyError, IndexError, ZeroDivisionError):
                found |= part()
        return {f"system/{name}": value for name, value in found.items()}

    def _cpu(self) -> dict[str, float]:
        before, self._ticks = self._ticks, self._read_ticks()
        if before is None or self._ticks is None:
            return {}
        idle, whole = (now - then for now, then in zip(self._ticks, before, strict=True))
        return {"cpu_utilization_percentage": 100 * (1 - idle / whole)}

    def _memory(self) -> dict[str, float]:
        lines = (self._proc / "meminfo").read_text(encoding="ascii").splitlines()
        sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines) if rest}
        total, used = sizes["MemTotal"], sizes["MemTotal"] - sizes["MemAvailable"]
        return {
            "system_memory_usage_megabytes": used / _MEGA,
            "system_memory_usage_percentage": 100 * used / total,
        }

    def _space(self) -> dict[str, float]:
        disk = os.statvfs(self._disk)
        used, free = (disk.f_blocks - disk.f_bfree) * disk.f_frsize, disk.f_bavail * disk.f_frsize
        return {
            "disk_usage_percentage": 100 * used / (used + free),
            "disk_usage_megabytes": used / _MEGA,
            "disk_available_megabytes": free / _MEGA,
        }

    def _traffic(self) -> dict[str, float]:
        now = self._read_network()
        if now is None or self._network is None:
            return {}
        received, sent = (after - before for after, before in zip(now, self._network, strict=True))
        return {"network_receive_megabytes": received / _MEGA, "network_transmit_megabytes": sent / _MEGA}

    def _read_ticks(self) -> tuple[int, int] | None:
        """Idle and all ticks of all processors since the start."""
        with suppress(OSError, ValueError, IndexError):
            fields = (self._proc / "stat").read_text(encoding="ascii").partition("\n")[0].split()[1:9]
            ticks = [int(field) for field in fields]  # user nice system idle iowait irq softirq steal
            return ticks[3] + ticks[4], sum(ticks)
        return None

    def _read_network(self) -> tuple[int, int] | None:
        """Bytes received and sent by all interfaces since the start."""
        with suppress(OSError, ValueError, IndexError):
            lines = (self._proc / "net" / "dev").read_text(encoding="utf-8").splitlines()[2:]
            fields = [line.rpartition(":")[2].split() for line in lines]
            return sum(int(field[0]) for field in fields), sum(int(field[8]) for field in fields)
        return None


class Sampling:
    """A thread that tells a sample every so many seconds, the first after as long, until `stop`."""

    def __init__(self, every_s: float, tell: Callable[[Mapping[str, float], int], None]) -> None:
        self._every_s, self._tell = every_s, tell
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="flyball-system", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no further sample."""
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        metrics, step = SystemMetrics(), 0
        while not self._ended.wait(self._every_s):
            with suppress(Exception):  # a training never fails because of what it tells
                self._tell(metrics.sample(), step)
            step += 1
