"""A real JupyterLab on a copy of the project, driven by a real browser."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AxeResults
from get_browser import find_browser
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from flowgen_analysis.baselines import make_baselines
from flowgen_analysis.project import Project

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


class Lab(NamedTuple):
    """A running JupyterLab. root: the folder that it serves, a copy of the project."""

    url: str
    token: str
    root: Path

    def open(self, page: Page, notebook: str = "nbs/workbench.ipynb") -> None:
        """Open a notebook and wait until its kernel answers."""
        page.goto(f"{self.url}/lab/tree/{notebook}?token={self.token}&reset")
        idle = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        page.wait_for_function(idle, timeout=60_000)

    def command(self, page: Page, name: str, **args: object) -> None:
        """Run one of Lab's commands."""
        page.evaluate("([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, args])


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def copy_project(to: Path) -> None:
    """The parts of the project that an analyst works with."""
    for folder in ("datasets", "environments", "feature_matrices"):
        shutil.copytree(ROOT / folder, to / folder)
    (to / "nbs").mkdir()
    shutil.copy(ROOT / "nbs" / "workbench.ipynb", to / "nbs")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@contextmanager
def running_lab(home: Path) -> Iterator[Lab]:
    """`flowgen lab`, keeping everything it writes under `home`, on a copy of the project."""
    config = home / "jupyter_config_dir"
    config.mkdir(parents=True)
    (config / "jupyter_lab_config.json").write_text('{"LabApp": {"expose_app_in_browser": true}}')
    news = home / "jupyterlab_settings_dir" / "@jupyterlab" / "apputils-extension"
    news.mkdir(parents=True)
    (news / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    with serving("lab", home, new_project(home)) as lab:
        yield lab


@contextmanager
def running_app(home: Path, root: Path | None = None, pages: int = 8) -> Iterator[Lab]:
    """`flowgen app`, keeping everything it writes under `home`, on the project at `root`, by default a copy of ours with two baselines:
    the app makes no run by itself."""
    if root is None:
        root = new_project(home)
        make_baselines(Project(root), "test", ["nearest", "rules"])
    with serving("app", home, root, f"--pages={pages}") as app:
        yield app


def new_project(home: Path) -> Path:
    """A copy of the project under `home`."""
    root = home / "project"
    root.mkdir(parents=True)
    copy_project(root)
    return root


@contextmanager
def serving(command: str, home: Path, root: Path, *options: str) -> Iterator[Lab]:
    """A server of `flowgen` on the project at `root`; the address is the one it prints."""
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")  # fmt: skip
    env = os.environ | {name: str(home / name.lower()) for name in folders}
    flowgen = Path(sys.executable).with_name("flowgen")
    call = [flowgen, command, "--no-open", f"--port={free_port()}", "-C", root, *options]
    log = home / f"{command}.log"
    with log.open("w") as out:
        server = subprocess.Popen(call, env=env, stdout=out, stderr=subprocess.STDOUT, cwd=root)
    try:
        yield wait_for_address(server, log, root)
    finally:
        server.terminate()
        server.wait(20)


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=10).close()
    except urllib.error.HTTPError:  # Voilà has no such page: an answer all the same
        return True
    except OSError:
        return False
    return True


def wait_for_address(server: subprocess.Popen, log: Path, root: Path) -> Lab:
    """What the server says of itself, once it answers."""
    for _ in range(900):
        if server.poll() is not None:
            break
        found = re.search(r"is at (http://[^/]+)/\?token=(\S+)", log.read_text())
        if found and answers(f"{found[1]}/api/status?token={found[2]}"):
            return Lab(found[1], found[2], root)
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="module")  # not longer: Playwright keeps an event loop running, and other tests want their own
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@contextmanager
def running_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
        yield browser
        browser.close()


def check_axe(result: AxeResults) -> None:
    """Nothing serious found, and the headings are in order."""
    serious = [v for v in result.response["violations"] if v["impact"] in ("serious", "critical")]
    assert not serious, [(v["id"], [n["html"][:200] for n in v["nodes"][:3]]) for v in serious]
    assert "heading-order" not in [v["id"] for v in result.response["violations"]]


VIEW: ViewportSize = {"width": 1280, "height": 900}


class Watched(NamedTuple):
    """A page, what it logged as errors, and the requests that would have left the machine."""

    page: Page
    errors: list[str]
    outside: list[str]

    def check_clean(self) -> None:
        """No console error, and no request left the machine."""
        assert self.errors == []
        assert self.outside == []

    def start(self) -> "Watched":
        """Forget what earlier tests on the same page did."""
        self.errors.clear()
        self.outside.clear()
        self.page.set_viewport_size(VIEW)
        return self


def is_local(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "about") or parts.hostname == "127.0.0.1"


@contextmanager
def watching(browser: Browser) -> Iterator[Watched]:
    """A page of its own, watched from its first request."""
    context = browser.new_context(viewport=VIEW)
    page = context.new_page()
    watched = Watched(page, [], [])
    page.on("console", lambda m: watched.errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: watched.errors.append(str(e)))
    page.on("request", lambda r: None if is_local(r.url) else watched.outside.append(r.url))
    page.on("websocket", lambda w: None if is_local(w.url) else watched.outside.append(w.url))
    context.route(lambda url: not is_local(url), lambda route: route.abort())
    page.set_default_timeout(30_000)
    yield watched
    context.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A page for one test."""
    with watching(browser) as watched:
        yield watched


@pytest.fixture(scope="module")
def desk_page(browser: Browser) -> Iterator[Watched]:
    """A page for the tests of a file: to load JupyterLab takes seconds."""
    with watching(browser) as watched:
        yield watched
