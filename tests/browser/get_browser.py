"""Get a browser for the tests where none is there: Debian's chromium, elsewhere Playwright's own."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str | None:
    """The path of a browser on this machine: FLOWGEN_CHROMIUM, or one on the PATH."""
    return os.environ.get("FLOWGEN_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def install() -> None:
    """Install a browser with what this machine has."""
    if shutil.which("apt-get"):
        admin = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run([*admin, "apt-get", "update", "-qq"], check=True)
        subprocess.run([*admin, "apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], check=True)
    else:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


if __name__ == "__main__":
    if browser := find_browser():
        print(f"browser: {browser}")
    else:
        install()
