"""A Chromium without a window, driven for the tests of pages; it is told of no address but files'."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip
PATIENCE = 60
"""Seconds after which a page that is not drawn counts as one that never will be."""


@contextmanager
def chromium(folder: Path) -> Iterator[Any]:
    """Yields a browser that saves into a folder, and skips the test where there is none."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("Chromium and chromedriver are not installed (Debian: apt-get install chromium chromium-driver)")
    selenium = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    options = selenium.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = selenium.Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


def opened(browser: Any, page: Path, width: int = 1280, dark: bool = False, charts: bool = True) -> None:
    """Opens a page at a width, and waits until its charts are drawn, if it has any."""
    from selenium.webdriver.support.ui import WebDriverWait

    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get(page.as_uri())
    WebDriverWait(browser, PATIENCE).until(
        lambda one: not charts or one.execute_script("return document.documentElement.dataset.drawn")
    )


def said(browser: Any) -> list[str]:
    """Returns what the console was told since it was asked before."""
    return [entry["message"] for entry in browser.get_log("browser")]


def requested(browser: Any) -> list[str]:
    """Returns the addresses that were asked for since the browser was asked before."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return [address for address in sent if not address.startswith(("data:", "blob:"))]


def curves(browser: Any) -> dict[str, list[float]]:
    """The values that are drawn, by the name of the curve."""
    script = (
        "return document.querySelector('.curves').data.filter((one) => one.name).map((one) => [one.name, [...one.y]])"
    )
    return dict(browser.execute_script(script))


def moved(browser: Any, column: str, value: int | str) -> None:
    """Moves a slider or chooses from a list as a reader does."""
    script = """const one = document.querySelector(`[data-column="${arguments[0]}"]`);
    one.value = arguments[1]; one.dispatchEvent(new Event(one.tagName === "SELECT" ? "change" : "input"));"""
    browser.execute_script(script, column, str(value))
