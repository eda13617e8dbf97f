"""A headless Chromium, found or installed; and what a test does with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

Browse = Callable[..., "Page"]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = ("apt-get", "install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core")


def chromium() -> str:
    """Return the path of a Chromium; where there is none and Debian's packages can be had, it is installed.

    Raises RuntimeError when that is not so: these tests are never passed over.
    """
    if found := _found():
        return found
    if shutil.which("apt-get") and os.geteuid() == 0:
        quiet: dict[str, Any] = {
            "check": True, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
            "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        }  # fmt: skip
        subprocess.run(("apt-get", "update"), **quiet)
        subprocess.run(INSTALL, **quiet)
        if found := _found():
            return found
    raise RuntimeError("the page's tests need a Chromium: install one, or name it in RHEO_CHROMIUM")


def _ours(said: ConsoleMessage) -> bool:
    return said.type == "error" and "/rheo/" in said.location["url"] and "401" not in said.text


def _found() -> str | None:
    named = os.environ.get("RHEO_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the tests of a module."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()


@pytest.fixture
def browse(browser: Browser) -> Iterator[Browse]:
    """Return what opens a page, light or dark; a test fails when a page's script did."""
    faults: list[str] = []
    contexts = []

    def opened(theme: str, width: int = 1440, height: int = 900) -> Page:
        context = browser.new_context(
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": width, "height": height},
            locale="en-GB",
            timezone_id="UTC",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        # Airflow's own pages may complain as they like; a login that is gone is what some tests are about.
        page.on("pageerror", lambda fault: faults.append(str(fault)) if "/rheo/" in fault.stack else None)
        page.on("console", lambda said: faults.append(said.text) if _ours(said) else None)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []
