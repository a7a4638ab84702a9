"""Claims, in a real browser: a page of a running training follows it, and one of an ended training stands still."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from browser import curves, moved, opened, said

import probe
from probe.records import Record, save

LOCKED = """import sys, time
from probe.files import owned
with owned(sys.argv[1]):
    print("owned", flush=True)
    time.sleep(600)
"""


def training_log(steps: int) -> Record:
    """The log of a training of 100 steps after some of them."""
    same = {"model": "m", "seconds": 1.0, "dim": 5, "context": 15, "rate": 0.001}
    rows = [same | {"step": step, "loss": 1 / step, "error": 2 / step} for step in range(1, steps)]
    about = {"kind": "train", "step": steps - 1, "plan": {"steps": 100}, "task": "linear"}
    return Record(pd.DataFrame(rows), about)


@pytest.fixture
def training(folder: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """The log of a training that runs: a process owns it until it is ended."""
    log = folder / "run-training.csv"
    save(training_log(10), log.with_suffix(""))
    with subprocess.Popen([sys.executable, "-c", LOCKED, str(log)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "owned\n"
        yield log, process
        process.kill()


def until(browser: Any, script: str) -> None:
    """Waits until a script returns true, over reloads."""
    from selenium.common.exceptions import JavascriptException
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60, ignored_exceptions=[JavascriptException]).until(lambda one: one.execute_script(script))


def test_a_page_of_a_running_training_follows_it_and_keeps_what_was_chosen(browser, folder, training, monkeypatch):
    """Rows that are added after it was opened are shown, choices last, and it stands still when the training ends."""
    log, process = training
    monkeypatch.setattr("probe.commands.view.EVERY", 1)
    monkeypatch.setattr("probe.commands.view.PAUSE", 0.1)
    out, told = folder / "run.html", []
    follower = threading.Thread(target=lambda: probe.view([str(log)], out=str(out), follow=True, tell=told.append))
    follower.start()
    try:
        while not told:
            time.sleep(0.05)
        opened(browser, out)
        assert "is running at step 9 of 100" in browser.execute_script("return document.body.innerText")
        moved(browser, "measure", 1)
        moved(browser, "scale", 2)
        save(training_log(50), log.with_suffix(""))
        until(browser, "return document.querySelector('.standing')?.innerText.includes('step 49 of 100')")
        until(browser, "return document.documentElement.dataset.drawn")
        assert [len(values) for values in curves(browser).values()] == [49]
        chosen = "return [...document.querySelectorAll('select')].map((one) => one.value)"
        assert browser.execute_script(chosen)[:2] == ["1", "2"]
    finally:
        process.kill()
        process.wait()
        follower.join(60)
    assert not follower.is_alive()
    until(browser, "return document.body.innerText.includes('stopped at step 49 of 100')")
    assert "data-every" not in out.read_text(encoding="utf-8")
    assert said(browser) == []


def test_a_page_without_a_training_that_runs_says_so_and_is_drawn_once(folder):
    log = folder / "ended-training.csv"
    save(training_log(101), log.with_suffix(""))
    page = probe.view([str(log)], out=str(folder / "ended.html"), follow=True)
    assert b'class="standing"' not in page.content
    save(training_log(30), log.with_suffix(""))
    assert b"stopped at step 29 of 100" in probe.view([str(log)]).content
