"""People who tag, in processes of their own: a small module, since each of them imports it."""

from pathlib import Path

from flowgen_analysis.features.tagbook import TagBook


def write_many(path: Path, by: str, n: int) -> None:
    book = TagBook(path, by)
    for i in range(n):
        lines = book.say([(f"s{i}", "foreach", True, None)])
        assert lines[0].tag.by == by


def tag_forever(path: Path, shown: Path) -> None:
    """Tag, and only after the book says so write down that it is done, as the screen does."""
    book = TagBook(path, "ana")
    with shown.open("a") as f:
        for i in range(10**6):
            line = book.say([(f"s{i}", "foreach", True, None)])[0]
            f.write(f"{line.number}\n")
            f.flush()


def code_forever(path: Path, shown: Path, by: str, model: str) -> None:
    """The same with codes of what a model made, until the process is killed or has said 100."""
    book = TagBook(path, by)
    book.define("short", f"Too short, says {by}")
    with shown.open("a") as f:
        for i in range(100):
            line = book.code((f"s{i}", model, 0), [("short", i % 2 == 0)])[0]
            f.write(f"{line.number}\n")
            f.flush()
