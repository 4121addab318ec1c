"""How much work a call is, and whether it ends: what a loaded machine cannot change, where seconds would."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


def lines_run(call: Callable[[], object]) -> int:
    """How many lines of Python `call` runs, loops counted. At twice the size, twice as many where the work is linear and
    four times as many where it is quadratic. What a function of C does in one line is one."""
    lines = 0

    def trace(frame: FrameType, event: str, argument: object):
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return lines


def growth(call: Callable, make: Callable[[int], object], size: int) -> float:
    """How many times as many lines `call` runs of what `make` makes at twice the size."""
    small, large = make(size), make(2 * size)
    call(make(2))  # what is done once, at the first call
    return lines_run(lambda: call(large)) / lines_run(lambda: call(small))


@contextmanager
def ends(seconds: int = 60) -> Iterator[None]:
    """Stop what hangs: far longer than any machine needs, so that nothing but a hang is stopped."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"has not ended in {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
