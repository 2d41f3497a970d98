"""A real browser for pages that lie in files."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

INSTALL_CHROMIUM = "apt-get install --yes --no-install-recommends chromium"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium. It is installed when we may, else the run ends with the command to type: nothing is skipped."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(INSTALL_CHROMIUM.split(), check=False, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
        found = shutil.which("chromium")
    if not found:
        pytest.exit(f"the reports' tests need Chromium: sudo {INSTALL_CHROMIUM}", returncode=3)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=found,
            args=["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
        )
        yield launched
        launched.close()
