"""Work that does not look up, for a process that is ended."""

import os
import time
from collections.abc import Callable


def write_late(path: str, seconds: float, note: Callable[[int], None]) -> None:
    """Say who is at work, be busy for so long, and write a file in the end."""
    note(os.getpid())
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    open(path, "w").close()
