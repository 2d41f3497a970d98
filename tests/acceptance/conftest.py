"""A real browser for whoever opens pages."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

INSTALL_CHROMIUM = "apt-get install --yes --no-install-recommends chromium"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, for one module: while it runs, this thread has an event loop that other modules' tests would meet."""
    with pytest.MonkeyPatch.context() as environment, sync_playwright() as playwright:
        environment.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("chromium")))
        launched = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        yield launched
        launched.close()


def chromium() -> str:
    """Chromium's path. It is installed when we may, else the run fails with the command to type: nothing is skipped."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(INSTALL_CHROMIUM.split(), check=False, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
        found = shutil.which("chromium")
    if not found:
        pytest.exit(f"tests that open pages need Chromium: sudo {INSTALL_CHROMIUM}", returncode=3)
    return found
