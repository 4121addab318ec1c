"""Slices asked in a process of their own, which can be ended when one of them does not answer."""

import random
import re
import resource
import tracemalloc
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from query_oracle import make_world

from flowgen_analysis.flows.files import InputError


class Answer(NamedTuple):
    """How a slice was answered. kind: `answered`, `refused` (an `InputError`), or the name of another error. peak, kept: bytes that
    were taken while answering, and that still are."""

    kind: str
    message: str
    peak: int
    kept: int


def answer_all(pipe: Connection, folder: Path) -> None:
    """Answer each slice that comes, until None does; the first answer says how large the process is."""
    index = make_world(1, folder, n=12).study.index("inputs")
    index.membership(
        "foreach | steps > 1 | step:log | log > log | requirement ~ /a/ | gpt-4o has step:log | cause:wrong*"
    )
    tracemalloc.start()
    pipe.send(_resident())
    while (text := pipe.recv()) is not None:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        kind, message = "answered", ""
        try:
            index.membership(text)
        except InputError as e:
            kind, message = "refused", str(e)
        except BaseException as e:
            kind, message = type(e).__name__, str(e)[:200]
        now, peak = tracemalloc.get_traced_memory()
        pipe.send(Answer(kind, message, peak - before, now - before))
    pipe.send(_resident())


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def hostile_slices() -> dict[str, str]:
    """Slices that nobody means well with, by name."""
    rng = random.Random(0)
    long = 10_000
    names = [f"step:{a}{b}" for a in "abcdefghij" for b in range(100)]
    found = {
        "brackets": "(" * 5000, "brackets around": "(" * 5000 + "foreach" + ")" * 5000, "closing": ")" * long,
        "brackets within": "(" * 90 + "foreach" + ")" * 90, "nots": "~" * 5000 + "foreach", "not words": "not " * 2000 + "foreach",
        "nots alone": "~" * long, "square": "[" * long, "filters": "log" + "[table" * 1000, "filter brackets": "log[" + "(" * 5000,
        "element brackets": "(" * 3000 + "log" + ")" * 3000 + " > log", "body brackets": "gpt-4o has " + "(" * 5000 + "log",
        "counts": "count(" * 1000, "ins": "in " * 3000, "pipes": "|" * long, "ands": "&" * long, "commas": "," * long,
        "greater": ">" * long, "has": "has " * 2000, "models": "gpt-4o has " * 900, "colons": ":" * long, "steps": "step:" * 2000,
        "ats": "cause:x" + "@gpt-4o" * 1000, "double quotes": '"' * long, "single quotes": "'" * (long + 1), "backticks": "`" * long,
        "slashes": "/" * long, "backslashes": "\\" * long, "stars": "*" * long, "stars of a step": "step:" + "*" * long,
        "stars between": "value:" + "*a" * 4000 + "b", "questions": "step:" + "?" * long, "or of 1000": " | ".join(names),
        "or of 2500": " | ".join(["foreach"] * 2500), "and of 2500": " & ".join(["log"] * 2000), "spaces": " " * long,
        "children": " > ".join(["log"] * 3000), "below": " >> ".join(["*"] * 3000), "next": ",".join(["*"] * 4000),
        "later": " ,, ".join(["*"] * 2500), "count of a chain": "count(" + " >> ".join(["*"] * 2000) + ") > 0",
        "filters in a row": "log[table]" + " > log[table]" * 700, "list": "id in (" + ", ".join(["x"] * 4000) + ")",
        "unfinished list": "id in (" + "a," * 4000, "long name": "a" * long, "long text": '"' + "a" * (long - 2) + '"',
        "long model": "a" * 5000 + " has step:log", "long step": "step:" + "x" * 9000, "long fact": "x" * 9000 + " > 1",
        "over the limit": "foreach | " * 2500 + "foreach", "far over the limit": "a" * 3_000_000, "infinite": "steps > 1e999",
        "nines": "steps > " + "9" * 5000, "small": "steps > 1e-9999", "many decimals": "steps > 0." + "3" * 5000,
        "long exponent": "steps > 1e" + "9" * 5000, "minus": "steps > " + "-" * 5000 + "1", "nan": "steps > nan", "inf": "steps > inf",
        "count of nines": "count(log) > " + "9" * 5000, "other digits": "steps > ٣", "half a list": "id in (", "half a filter": "log[",
        "quote": '"', "quote at the end": 'foreach & "x', "apostrophe": "step:'x", "backtick": "foreach & `x", "slash": "requirement ~ /x",
        "escape at the end": '"x\\', "regex escape at the end": "requirement ~ /x\\", "odd escape": '"\\x41\\u12"', "nul": "\0",
        "nul in a text": '"a\0b"', "nul in a name": "fore\0ach", "nul in a regex": "requirement ~ /\0/", "surrogate": "\ud800",
        "surrogate in a text": '"\ud83d"', "surrogate in a step": "step:\udfff > log", "surrogate in a regex": "requirement ~ /\ud800/",
        "terminal": "\x1b[31mred\x1b[0m", "terminal in a name": "step:\x1b]0;title\x07", "terminal in a text": '"\x1b[2J" & nothing_such',
        "bell": "foreach \x07", "turned round": "foreach\u202e & log", "joined": "\u200b", "no break": "foreach\u00a0&\u00a0log",
        "byte order": "\ufeffforeach", "line ends": "foreach\r\n&\u2028log\u2029|\x85log", "code": "__import__('os').system('id')",
        "code by name": "foreach.__class__.__mro__", "format": "{0.__class__} %s %n ${HOME} `id` $(id)", "html": "<script>alert(1)</script>",
        "path": "in \"../../../../etc/passwd\"", "path of a regex": "/etc/passwd", "json": '{"a": [1, 2]}', "sql": "'; DROP TABLE x; --",
        "empty text": '""', "empty step": 'step:""', "empty backticks": "``", "empty regex": "requirement ~ //", "empty value": "value:''",
        "empty list": "id in ()", "empty brackets": "()", "empty filter": "log[]", "empty count": "count() > 1", "nothing of a model": "gpt-4o has ()",
    }  # fmt: skip
    regexes = {
        "doubling": "(a+)+$", "doubling again": "(a|a)*b", "doubling words": "(\\w+\\s?)+$", "nested": "((a*)*)*b", "three": "(a*)*(b*)*(c*)*$",
        "huge": "((a{1000}){1000}){1000}", "large": "a{100000}", "many": "(a?){5000}a{5000}", "classes": "[\\w\\W]{5000}", "unicode": "\\p{L}{900}",
        "dots": "(.*.*.*.*.*.*.*.*)*=", "alternatives": "|".join(["a"] * 4000), "brackets": "(" * 3000 + ")" * 3000, "open": "(" * 4000,
        "class": "[" * 4000, "stars": "a" + "*" * 4000, "back": "(a)\\1", "ahead": "(?=a)b", "behind": "(?<!a)b", "recursion": "(?R)",
        "atomic": "(?>a+)b", "names": "(?P<a>x)(?P<a>y)", "flags": "(?i)(?s)(?m)(?x) a # b", "half": "a{", "turned": "[z-a]", "end": "a)",
        "repeat": "*", "alone": "?", "wide": "x{0,4294967296}", "hex": "\\x{110000}", "property": "\\p{Nothing}", "comment": "(?#" + "x" * 5000,
    }  # fmt: skip
    found |= {f"regex {name}": f"requirement ~ /{body}/" for name, body in regexes.items()}
    found |= {f"step regex {name}": f"step:/{body}/" for name, body in regexes.items()}
    found |= {
        "regex of a filter": "log[table~/(a+)+$/]",
        "regex of a value": "value:/(.*a){40}/",
        "many regexes": " | ".join(f"value:/a{i}/" for i in range(900)),
    }
    marks = "foreach log step: gpt-4o has ( ) [ ] & | ~ > >> , ,, = != < \" ' ` / * 8 @ in count any models + - \\ \0 é".split(
        " "
    )
    for n in range(150):
        found[f"soup {n}"] = rng.choice(("", " ")).join(rng.choices(marks, k=rng.choice((3, 8, 30, 300))))
    for n in range(20):
        found[f"words of its own {n}"] = " | ".join(f'step:a{n}_{i} & "b{n} {i}"' for i in range(200))
    for code in (*range(160), 0x200E, 0x202E, 0x2028, 0xD800, 0xFFFE, 0x1F600, 0xE000):
        found[f"10,000 of U+{code:04X}"] = chr(code) * 10_000
    return found


def is_one_line(message: str) -> bool:
    """Whether a terminal shows it as one line of a length people read, as it is and no other way."""
    return len(message) <= 400 and not re.search(
        r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", message
    )
