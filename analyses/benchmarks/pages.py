"""Measures how long a page of records takes to make, and its first drawing in a browser.

    python analyses/benchmarks/pages.py [--rows 800 50000] [--repeats 5] [--out FILE.md]

The record is one of probe fit: ten models, four heads, layers and contexts as many as it takes. Chromium is started
anew for every drawing, with an empty profile; the time is that from the page's opening until every curve and the map
stand, as the page itself notes it, and beside it what the page's thread computed, which other work on the machine does
not lengthen. Before anything is timed the page must hold every error of the record. Where
Chromium, chromedriver or selenium is missing, the drawing is left out.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from report import machine, markdown

from probe.pages import view_page
from probe.records import Record, with_dtypes

TARGET = 2.0  # seconds until the first drawing
MODELS, HEADS, LAYERS = 10, ("linear", "normed", "lens", "calibrated"), 25
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
PATIENCE = 120  # seconds


def main() -> int:
    """Checks, times and prints; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 50_000], help="rows of the records")
    parser.add_argument("--repeats", type=int, default=5, help="runs a median is taken over")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    arguments = parser.parse_args()
    rows = []
    for count in arguments.rows:
        found = record(count)
        if not complete(found):
            print("The page lacks errors of its record; nothing was timed.", file=sys.stderr)
            return 1
        making, content = made(found, arguments.repeats)
        drawn = [drawing(content) for _ in range(arguments.repeats)] if installed() else []
        first, computed = [f"{statistics.median(column):.2f}" for column in zip(*drawn, strict=True)] or ["", ""]
        size = f"{len(content) / 1e6:.1f}"
        rows.append([first, computed, f"{TARGET}", f"{len(found.table):,}", f"{making:.2f}", size])
    table = markdown(["first drawing, s", "computed, s", "target, s", "rows", "making the page, s", "page, MB"], rows)
    text = f"{machine()}, plotly {version('plotly')}, medians of {arguments.repeats}\n\n{table}\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 0


def record(count: int) -> Record:
    """Returns a record of so many rows: of every model, head, context and layer, an error with its band."""
    contexts = max(1, round(count / (MODELS * len(HEADS) * LAYERS)))
    names = [f"model-{number}" for number in range(MODELS)]
    index = pd.MultiIndex.from_product([names, HEADS, range(contexts), range(LAYERS)])
    table = index.to_frame(index=False, name=["model", "head", "context", "layer"])
    error = 0.8 ** table["layer"] * np.random.default_rng(0).uniform(0.8, 1.0, len(table))
    depth = table["layer"] / (LAYERS - 1)
    told = {"depth": depth, "target": "y", "mse": error, "error": error, "low": 0.9 * error, "high": 1.1 * error}
    about = {"blocks": LAYERS - 1, "arch": "mamba"}
    provenance = {"kind": "fit", "config": {"task": "linear"}, "models": dict.fromkeys(names, about)}
    return Record(with_dtypes(table.assign(**told, prompts=2048)), provenance)


def complete(found: Record) -> bool:
    """Returns whether a page holds every error of its record, to the last digit."""
    page = view_page([found]).content.decode()
    told = re.search(r'id="numbers">(.*?)</script>', page, re.DOTALL)
    return told is not None and json.loads(told[1])["charts"][0]["rows"]["y"] == found.table["error"].tolist()


def made(found: Record, repeats: int) -> tuple[float, bytes]:
    """Returns the median seconds in which a page is made, and the page."""
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        content = view_page([found]).content
        spent.append(time.perf_counter() - began)
    return statistics.median(spent), content


def installed() -> bool:
    """Returns whether there is a browser, and what drives it."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return False
    return shutil.which("chromium") is not None and shutil.which("chromedriver") is not None


def drawing(content: bytes) -> tuple[float, float]:
    """Returns the seconds until a page has drawn itself, in a browser of its own, and those that it computed."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.ui import WebDriverWait

    with tempfile.TemporaryDirectory(prefix="probe-pages-") as folder:
        page = Path(folder) / "page.html"
        page.write_bytes(content)
        options = ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for flag in (*FLAGS, f"--user-data-dir={folder}/profile"):
            options.add_argument(flag)
        browser = Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
            browser.get(page.as_uri())
            told = "return document.documentElement.dataset.drawn"
            seconds = int(WebDriverWait(browser, PATIENCE).until(lambda one: one.execute_script(told))) / 1000
            metrics = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
            return seconds, next(each["value"] for each in metrics if each["name"] == "TaskDuration")
        finally:
            browser.quit()


if __name__ == "__main__":
    sys.exit(main())
