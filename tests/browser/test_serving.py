"""Who may talk to the servers, and what a page that is gone leaves behind: real servers, raw requests, a real browser."""

import asyncio
import http.client
import time
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import Lab, Watched, running_app
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="module")
def app(home: Path) -> Iterator[Lab]:
    with running_app(home, pages=2) as app:
        yield app


def ask(server: Lab, path: str, method: str = "GET", body: str | None = None, **headers: str) -> tuple[int, str, dict]:
    parts = urlsplit(server.url)
    assert parts.hostname
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=60)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace"), dict(answer.headers)
    finally:
        connection.close()


def socket_status(server: Lab, path: str, **headers: str) -> int:
    """The status of an attempt to open a websocket; 101 where it opened."""

    async def attempt() -> int:
        try:
            socket = await websocket_connect(HTTPRequest(server.url.replace("http", "ws") + path, headers=headers))
        except HTTPClientError as e:
            return e.code
        socket.close()
        return 101

    return asyncio.new_event_loop().run_until_complete(attempt())


PATHS = ("/", "/api/kernels", "/voila/static/voila.js", "/login", "/nothing", "/api/kernels/{id}/channels")
FOREIGN = {
    "Host": (
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1.evil.example",
        "10.0.0.1:{port}",
    ),
    "Origin": ("http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}.evil.example"),
}
KERNEL = "00000000-0000-0000-0000-000000000000"


def refused(server: Lab) -> int:
    """Try every foreign name and page on every path, with the token. Returns how many were tried."""
    port, tried = str(urlsplit(server.url).port), 0
    for path in PATHS:
        path = path.replace("{id}", KERNEL) + f"?token={server.token}"
        for header, values in FOREIGN.items():
            for value in values:
                given = {header: value.replace("{port}", port)}
                status, text, _ = ask(server, path, **given)
                assert (status, text[:4]) == (403, "403:"), (path, given)
                assert socket_status(server, path, **given) == 403, (path, given)
                tried += 2
    return tried


@pytest.mark.fault(
    "App: a foreign Host (DNS rebinding) or Origin, with the token", "403 on page, API, file and websocket", tries=96
)
def test_app_refuses_foreign_names_and_pages(app: Lab):
    assert refused(app) == 96
    assert ask(app, "/voila/static/voila.js", Host=f"localhost:{urlsplit(app.url).port}")[0] == 200
    assert ask(app, "/api/kernels/" + KERNEL, Origin=app.url)[0] == 403, "no token"
    assert ask(app, f"/api/kernels/{KERNEL}?token={app.token}", Origin=app.url)[0] == 404, "no such kernel, but let in"


@pytest.mark.fault(
    "JupyterLab: a foreign Host (DNS rebinding) or Origin, with the token",
    "403 on page, API, file and websocket",
    tries=96,
)
def test_lab_refuses_foreign_names_and_pages(lab: Lab):
    assert refused(lab) == 96
    assert ask(lab, f"/api/kernels?token={lab.token}")[0] == 200
    log = (lab.root.parent / "lab.log").read_text()
    assert log.count(lab.token) == 1, "only in the address that is printed for its owner"


@pytest.mark.fault("App: a request without the token, or without the page's XSRF word", "403", tries=6)
def test_nothing_without_token_and_xsrf(app: Lab):
    for path in ("/api/kernels/" + KERNEL, f"/api/kernels/{KERNEL}/channels", f"/api/kernels/{KERNEL}?token=wrong"):
        assert ask(app, path)[0] == 403
    assert ask(app, f"/voila/api/shutdown/{KERNEL}", "POST")[0] == 403
    cookies = SimpleCookie(ask(app, f"/login?token={app.token}")[2].get("Set-Cookie", ""))
    assert cookies, "who has the token gets a cookie"
    word = "; ".join(f"{k}={v.value}" for k, v in cookies.items())
    assert ask(app, f"/voila/api/shutdown/{KERNEL}", "POST", Cookie=word)[0] == 403
    assert ask(app, f"/voila/api/shutdown/{KERNEL}", "POST", Cookie=word, Origin=app.url)[0] == 403


@pytest.mark.fault("App: the token in an address that fails", "not in the log", tries=2)
def test_the_token_is_in_no_log(app: Lab, home: Path):
    ask(app, f"/nothing/at/all?token={app.token}", Referer=f"{app.url}/?token={app.token}")
    ask(app, f"/api/kernels/{KERNEL}?token={app.token}")
    time.sleep(0.2)
    log = (home / "app.log").read_text()
    assert "404" in log
    assert log.count(app.token) == 1, "only in the address that is printed for its owner"


def test_a_page_may_load_nothing_from_elsewhere(app: Lab, watched: Watched):
    watched.page.goto(f"{app.url}/login")
    said, stopped = [], []
    watched.page.on("console", lambda m: said.append(m.text))
    watched.page.on("requestfailed", lambda r: stopped.append(r.url) if r.failure == "csp" else None)
    tries = (
        "new Image().src = 'https://evil.example/x.png'", "fetch('https://evil.example/x').catch(() => 0)",
        "document.head.append(Object.assign(document.createElement('script'), {src: 'https://evil.example/x.js'}))",
        "document.body.append(Object.assign(document.createElement('iframe'), {src: 'https://evil.example/'}))",
        "try { new WebSocket('wss://evil.example/') } catch { }", "try { eval('1') } catch (e) { console.log('Refused: ' + e) }",
    )  # fmt: skip
    for script in tries:
        watched.page.evaluate(f"() => {{ {script} }}")
    watched.page.wait_for_timeout(500)
    refusals = [text for text in said if "Content Security Policy" in text or "Refused" in text]
    assert len(refusals) >= len(tries), said
    assert set(watched.outside) <= set(stopped), "the browser stops them itself"


def kernels(home: Path) -> int:
    """How many kernels of the app are alive: processes that know its project."""
    import psutil

    found = 0
    for process in psutil.process_iter(["cmdline", "status", "environ"]):
        said = process.info
        if said["status"] != psutil.STATUS_ZOMBIE and "ipykernel_launcher" in " ".join(said["cmdline"] or []):
            found += (said["environ"] or {}).get("FLOWGEN_PROJECT") == str(home / "project")
    return found


def wait_for_kernels(home: Path, most: int, seconds: float) -> int:
    end = time.monotonic() + seconds
    while (n := kernels(home)) > most and time.monotonic() < end:
        time.sleep(0.2)
    return n


def load(app: Lab, watched: Watched) -> None:
    watched.page.goto(f"{app.url}/?token={app.token}")
    watched.page.wait_for_selector(".fg-tab", timeout=60_000)


@pytest.mark.fault("App: pages reloaded and closed", "their kernels end", tries=3)
@pytest.mark.fault(
    "App: more pages than it takes", "503, a page that says so, and room again when one is closed", tries=2
)
def test_a_page_that_is_gone_leaves_no_kernel_and_too_many_are_told(app: Lab, home: Path, watched: Watched):
    other = watched.page.context.new_page()
    for page in (watched.page, other):
        page.goto(f"{app.url}/?token={app.token}")
        page.wait_for_selector(".fg-tab", timeout=60_000)
    third = watched.page.context.new_page()
    answer = third.goto(f"{app.url}/")
    assert answer is not None
    assert answer.status == 503
    assert "2 pages are open" in third.inner_text("h1")
    assert kernels(home) == 2
    other.close(run_before_unload=True)
    assert wait_for_kernels(home, 1, 20) == 1
    load(app, watched)
    assert wait_for_kernels(home, 1, 20) == 1
    watched.page.close(run_before_unload=True)
    assert wait_for_kernels(home, 0, 20) == 0


@pytest.mark.verify
@pytest.mark.fault(
    "App: pages reloaded, closed, killed, and asked for without a browser", "no kernel is left", tries=60
)
def test_twenty_of_each_leave_no_kernel(home: Path, tmp_path: Path, watched: Watched):
    with running_app(tmp_path, pages=3) as app:
        for _ in range(20):
            load(app, watched)
        context = watched.page.context
        for _ in range(20):
            page = context.new_page()
            page.goto(f"{app.url}/", wait_until="commit")
            page.wait_for_timeout(300)
            page.close()
        watched.page.close(run_before_unload=True)
        for _ in range(20):
            assert ask(app, f"/?token={app.token}")[0] in (200, 503)
        assert wait_for_kernels(tmp_path, 0, 120) == 0
