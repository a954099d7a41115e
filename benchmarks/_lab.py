"""A Jupyter of our own on a free loopback port, and a browser that looks at it: for tests, figures and pictures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SRC = Path(__file__).resolve().parent.parent / "src"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Voila's page asks for fonts elsewhere, and works without them
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PATIENCE = 90.0
"""Seconds for a server or a page to come."""

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}

HOSTS = {"lab": "lab/tree/{}?reset&", "notebook": "notebooks/{}?", "voila": "voila/render/{}?"}
"""Where a notebook is shown: JupyterLab, Notebook 7, or Voila, which runs it by itself and shows no code."""


def missing(*more: str) -> str:
    """What is not installed here that a browser test needs, and of `more`; ``""`` when all is."""
    if CHROMIUM is None:
        return "chromium is not installed"
    from importlib.util import find_spec

    needed = ("playwright", "jupyterlab", "anywidget", "nbformat", "ipykernel", *more)
    names = [name for name in needed if find_spec(name) is None]
    return f"{', '.join(names)} not installed" if names else ""


def notebook_of(cells: Sequence[str]) -> str:
    """A notebook with these cells of code, as text."""
    import nbformat.v4

    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps(made)


@contextmanager
def lab(folder: Path, *, theme: str = "light") -> Iterator[str]:
    """Serve a folder by JupyterLab; gives the address with ``{}`` for the notebook's name."""
    with jupyter(folder, theme=theme, serve="jupyterlab") as addresses:
        yield addresses["lab"]


@contextmanager
def jupyter(folder: Path, *, theme: str = "light", serve: str = "notebook") -> Iterator[dict[str, str]]:
    """Serve a folder; gives the address by each of `HOSTS`, with ``{}`` for the notebook's name.

    Parameters
    ----------
    serve : {"notebook", "jupyterlab"}
        The program; Notebook 7 serves JupyterLab and Voila as well.
    """
    home = folder / ".jupyter-home"
    config = home / "config"
    (config / "labconfig").mkdir(parents=True, exist_ok=True)
    page = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (config / "labconfig" / "page_config.json").write_text(json.dumps(page))
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": THEMES[theme]}))
    environment: Mapping[str, str] = {
        **os.environ,
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": os.pathsep.join([str(SRC), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", ""),
    }
    command = [
        sys.executable, "-m", serve, "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0",
        f"--ServerApp.root_dir={folder}", "--ServerApp.log_level=ERROR", "--LabApp.collaborative=False",
    ]  # fmt: skip
    with (home / "log.txt").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            known = _server(home / "runtime", server, home / "log.txt")
            yield {host: f"{known['url']}{path}token={known['token']}" for host, path in HOSTS.items()}
        finally:
            server.terminate()
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait(15)


def _server(runtime: Path, server: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    """What a server says of itself once it serves."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        for path in runtime.glob("jpserver-*.json"):
            try:
                known = json.loads(path.read_text())
            except ValueError:
                continue  # half written
            if known.get("port"):
                return dict(known)
        time.sleep(0.05)
    raise RuntimeError(f"Jupyter did not start: {log.read_text()[-2000:]}")


@contextmanager
def browser(**options: Any) -> Iterator[Any]:
    """A page of a headless browser; `options` are those of Playwright's ``new_page``."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(ARGUMENTS))
        try:
            page = started.new_page(**options)
            page.set_default_timeout(PATIENCE * 1000)
            yield page
        finally:
            started.close()


def run_all(page: Any, address: str) -> None:
    """Open a notebook and run its cells."""
    page.goto(address)
    page.wait_for_selector(".jp-Notebook")
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
    for _ in range(5):  # a menu that is opened while the page still settles may close again
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        begun = (
            "() => /\\[(\\*|\\d+)\\]/.test(document.querySelector('.jp-CodeCell .jp-InputPrompt')?.textContent ?? '')"
        )
        try:
            page.wait_for_function(begun, timeout=5000)
        except Exception as error:
            if type(error).__name__ != "TimeoutError":
                raise
        else:
            return
    raise RuntimeError("the cells do not run")
