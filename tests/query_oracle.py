"""Random samples, generations and slices, and what each slice means, in plain loops: what the slice language is held against.

Nothing here uses the language. A slice is made together with its meaning: a function of a sample and a `World` that answers
True, False or None (nobody knows).
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import polars as pl

from flowgen_analysis.features.journal import Tag, append_tags
from flowgen_analysis.features.matrix import FeatureMatrix
from flowgen_analysis.features.registry import Feature, Registry, Theme
from flowgen_analysis.flows.conditions import QUERY_INPUTS, is_column_input, is_table_input, parse_query
from flowgen_analysis.flows.dataset import Run
from flowgen_analysis.flows.model import Flow, Generation, Sample
from flowgen_analysis.flows.structure import structure_errors
from flowgen_analysis.project import Project, init_project
from flowgen_analysis.scoring.kinds import CAUSE_KINDS
from flowgen_analysis.scoring.loss import explain_runs
from flowgen_analysis.study import Study

# -- words, few enough that things match

STEPS = [
    "FOREACH", "IF", "PARALLEL", "look_up_records", "update_record", "send_email", "sn_x.Send Email",
    "n8n-nodes-base.emailSend", "log", "Größe prüfen", "ask for approval", "日本.通知", "count", "and", "step 2.", "!!!",
]  # fmt: skip
TRIGGERS = ["daily", "record_update", "sn_x.Inbound Email", "n8n-nodes-base.webhook", "Täglich"]
TABLES = ["incident", "sys_user", "Task", " incident ", "u_größe", ""]
QUERIES = [
    "active=true", "a=1^b=2", "b=2^a=1^ORc!=3", "stateISEMPTY", "free text", "", "a=1^EQ", "nameLIKEx^ORDERBYname",
    "opened_at<javascript:gs.daysAgoStart(30)", "state=On Hold^assigned_to={{step_1.id}}", "caller_id.vip=true",
]  # fmt: skip
VALUES = ["on hold", "On  Hold", "{{step_1.records}}", "a: b\nc", "1", "10", "  ", "", 'say "yes"', "50%", "C:\\tmp", "résumé", "x*y",
          "a/b", "it's", "🎉 done", "due=Today"]  # fmt: skip
INPUTS = {
    "table": TABLES, "table_name": TABLES, "ref_table": TABLES, "conditions": QUERIES, "condition": QUERIES,
    "values": QUERIES, "column": ["state", "assigned_to", "", "Größe"], "due_field": ["state", "due date"],
    "ah_subject": VALUES, "Ah Body": VALUES, "net.url": VALUES, "items": VALUES,
}  # fmt: skip
PHRASES = ["escalate it", "when a user", "On Hold", "send an email", "Größe", "to the manager", "  ", "100% sure", "日本語", "two  spaces",
           "a \"quoted\" word", "é", "it's urgent"]  # fmt: skip
DOMAINS = ["banking", "telecom", "Telecare", "it service", None, None]
ENVIRONMENTS = ["prod", "dev-1", "acme.test", None]
MODELS = ["gpt-4o", "mistral", "my model (v2)"]
FEATURES = {
    "foreach": "FOREACH", "log": "Log", "trigger_catalog": "Catalog trigger", "vip": "VIP: caller", "parallel": "In parallel",
    "glide": "Glide",
}  # fmt: skip
NOTES = ["unsure about this", "clear", "Looks WRONG", "see t-001", "größer", "not sure: ask ben"]
PEOPLE = ["ana", "ben", "Ana Lee"]
# Words that the language reads as its own; as a pattern they stand in quotes or behind `step:`.
RESERVED = {"and", "or", "not", "has", "have", "lacks", "lack", "in", "all", "any", "no", "count", "models", "model"}


# -- samples and generations


def random_inputs(rng: random.Random) -> list[dict]:
    names = rng.choices(list(INPUTS), k=rng.choice((0, 1, 1, 2, 3)))
    return [{"name": n, "value": rng.choice(INPUTS[n])} for n in names]


def random_flow(rng: random.Random, steps: int = 7) -> Flow:
    """A flow with nested blocks, at times with an orphan, what hangs on it, or a number that stands twice."""
    components: list[dict] = []
    for number in range(1, rng.randint(0, steps) + 1):
        block: int | None = rng.choice([None, *[c["step"] for c in components[-3:]]]) if components else None
        if rng.random() < 0.06:
            block = rng.choice([90, number, number + 1])  # no such block, itself, one that comes later
        step = rng.randint(1, number) if rng.random() < 0.03 else number
        name, said = rng.choice(STEPS[:9] if rng.random() < 0.8 else STEPS), rng.choice(["", *PHRASES])
        components.append(
            {"name": name, "step": step, "block": block, "annotation": said, "inputs": random_inputs(rng)}
        )
    trigger = None
    if rng.random() < 0.75:
        trigger = {"type": rng.choice(TRIGGERS), "annotation": rng.choice(["", *PHRASES]), "inputs": random_inputs(rng)}
    return Flow.model_validate({"trigger": trigger, "components": components})


def changed(rng: random.Random, flow: Flow) -> Flow:
    """A flow that is near `flow`: as it is, or with a step renamed, dropped or moved, or values changed."""
    flow = flow.model_copy(deep=True)
    for _ in range(rng.choice((0, 0, 1, 2, 3))):
        if not flow.components:
            break
        step = rng.choice(flow.components)
        what = rng.choice(("rename", "drop", "move", "value", "trigger"))
        if what == "rename":
            step.name = rng.choice(STEPS)
        elif what == "drop":
            flow.components.remove(step)
        elif what == "move":
            step.block = None
        elif what == "trigger":
            flow.trigger = random_flow(rng).trigger
        else:
            for i in step.inputs:
                i.value = rng.choice(INPUTS[i.name])
    return flow


def random_samples(rng: random.Random, n: int) -> list[Sample]:
    def one(i: int) -> Sample:
        id = rng.choice((f"t-{i:03}", f"T {i}", f"id.{i}", f"größe-{i}"))
        flows = [random_flow(rng) for _ in range(rng.choice((0, 1, 1, 1, 1, 1, 2)))]
        said = " ".join(rng.sample(PHRASES, rng.randint(1, 3)))
        return Sample(
            id=id, requirement=said, expected=flows, domain=rng.choice(DOMAINS), environment=rng.choice(ENVIRONMENTS)
        )

    return [one(i) for i in range(n)] + [whole_vocabulary(i) for i in range(len(TRIGGERS))]


def whole_vocabulary(i: int) -> Sample:
    """A sample with the i-th trigger; the first of them has every step, and every value of every input."""
    pairs = [(name, value) for name, values in INPUTS.items() for value in values] if i == 0 else []
    steps = [
        {"name": name, "step": n, "inputs": [{"name": k, "value": v} for k, v in pairs[n - 1 :: len(STEPS)]]}
        for n, name in enumerate(STEPS if i == 0 else [], start=1)
    ]
    flow = Flow.model_validate({"trigger": {"type": TRIGGERS[i]}, "components": steps})
    domain, environment = ([v for v in found if v][i % 3] for found in (DOMAINS, ENVIRONMENTS))
    return Sample(id=f"all-{i}", requirement=PHRASES[i], expected=[flow], domain=domain, environment=environment)


def random_runs(rng: random.Random, samples: Sequence[Sample]) -> list[Run]:
    """A run a model: for some samples nothing, for others one to three repeats, some of them unreadable."""
    runs = []
    for model in MODELS:
        made = []
        for s in samples:
            alike = changed(rng, s.reference) if s.reference else random_flow(rng)
            for repeat in range(rng.choice((0, 1, 1, 1, 2, 3))):
                flow = None if rng.random() < 0.15 else alike if rng.random() < 0.3 else random_flow(rng)
                if flow is not None and s.reference and rng.random() < 0.6:
                    flow = changed(rng, s.reference)
                error = None if flow else "no JSON in it"
                made.append(Generation(sample_id=s.id, model=model, repeat=repeat, generated=flow, error=error))
        runs.append(Run(model, made))
    return runs


@dataclass
class World:
    """Samples and all that is known of them, as plain dicts by sample id, or by model and sample id. Scores and losses: 0..100."""

    samples: list[Sample]
    study: Study
    features: dict[str, dict[str, bool | None]]
    metric: str = "inputs"
    generations: dict[tuple[str, str], list[Generation]] = field(default_factory=dict)
    scores: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    losses: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    people: dict[str, set[str]] = field(default_factory=dict)
    saved: dict[str, "Asked"] = field(default_factory=dict)


def make_world(seed: int, folder: Path, n: int = 40, saved: int = 4, metric: str = "inputs") -> World:
    """A study of `n` random samples and five more in a project at `folder`, with a journal and saved slices, and the same as plain
    data. metric: by which scores and losses are told, `inputs` or `outline`."""
    rng = random.Random(seed)
    init_project(folder)
    project = Project(folder)
    samples = random_samples(rng, n)
    runs = random_runs(rng, samples)
    cells = {f: {s.id: rng.choice((True, True, False, False, None)) for s in samples} for f in FEATURES}
    registry = Registry(
        (Theme("Any", "Any."),), tuple(Feature(n, t, "Any", f"{t}.", False) for n, t in FEATURES.items())
    )
    columns = {"sample_id": [s.id for s in samples]} | {f: [c[s.id] for s in samples] for f, c in cells.items()}
    matrix = FeatureMatrix(pl.DataFrame(columns, schema={"sample_id": pl.String} | dict.fromkeys(FEATURES, pl.Boolean)))
    study = Study("random", samples, runs, registry, matrix, project)
    world = World(samples, study, cells, metric)
    for run in runs:
        for g in run.generations:
            world.generations.setdefault((g.model, g.sample_id), []).append(g)
    _add_results(world, runs)
    _add_journal(world, project.journal_path("random"), rng)
    _add_saved(world, project.slices_path, rng, saved)
    return world


def _add_results(world: World, runs: Sequence[Run]) -> None:
    for row in world.study.scores.frame.iter_rows(named=True):
        if row[world.metric] is not None:
            world.scores.setdefault((row["model"], row["sample_id"]), []).append(100 * row[world.metric])
    world.losses = {key: {} for key in world.scores}
    for row in explain_runs(world.samples, runs, world.metric == "inputs").frame.iter_rows(named=True):
        key = row["model"], row["sample_id"]
        lost = 100 * row["loss"] / len(world.scores[key])
        world.losses[key][row["kind"]] = world.losses[key].get(row["kind"], 0.0) + lost


def _add_journal(world: World, path: Path, rng: random.Random) -> None:
    """Judgements and notes, some of them withdrawn; a later word of the same person stands in place of the earlier."""
    tags, words, notes = [], {}, {}
    for s in world.samples:
        for _ in range(rng.choice((0, 0, 1, 2, 3))):
            by, feature = rng.choice(PEOPLE), rng.choice(["*", *FEATURES])
            value = None if feature == "*" else rng.choice((True, False, None))
            note = rng.choice(["", *NOTES]) if feature == "*" else ""
            tags.append(Tag(by=by, sample_id=s.id, feature=feature, value=value, note=note))
            (notes if feature == "*" else words)[s.id, by, feature] = note if feature == "*" else value
    append_tags(path, tags)
    for (id, by, _), note in notes.items():
        if note:
            world.notes.setdefault(id, []).append(note)
            world.people.setdefault(id, set()).add(by)
    for (id, by, _), value in words.items():
        if value is not None:
            world.people.setdefault(id, set()).add(by)


def _add_saved(world: World, path: Path, rng: random.Random, n: int) -> None:
    names = ["loops", "Long ones", "größer & mehr", 'a "b"'][:n]
    asks = Asker(world, rng)
    world.saved = {name: asks.query(2) for name in names}
    quoted = lambda text: '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 32 or c in '"\\' else c for c in text) + '"'  # noqa: E731
    lines = [f"[[slices]]\nname = {quoted(n)}\nexpression = {quoted(a.text)}\n" for n, a in world.saved.items()]
    path.write_text("\n".join(lines), encoding="utf-8")


# -- three values

Truth = bool | None
Meaning = Callable[[Sample, World], Truth]


def both(values: Sequence[Truth]) -> Truth:
    return False if any(v is False for v in values) else None if any(v is None for v in values) else True


def either(values: Sequence[Truth]) -> Truth:
    return True if any(v is True for v in values) else None if any(v is None for v in values) else False


def opposite(value: Truth) -> Truth:
    return None if value is None else not value


# -- texts


def wild(pattern: str, text: str) -> bool:
    """Whether all of `text` is `pattern`, in which `*` is any run and `?` one character."""
    reached = {0}
    for c in text:
        if not reached:
            return False
        reached = _past_stars(pattern, reached)
        reached = {
            i if pattern[i] == "*" else i + 1 for i in reached if i < len(pattern) and pattern[i] in ("*", "?", c)
        }
    return len(pattern) in _past_stars(pattern, reached)


def _past_stars(pattern: str, places: set[int]) -> set[int]:
    found = set(places)
    for i in sorted(places):
        while i < len(pattern) and pattern[i] == "*":
            i += 1
            found.add(i)
    return found


def plain_name(name: str, keep: str = "") -> str:
    """A name as names are compared: without case, spaces, `_` and `-`; `.` parts it. Characters in `keep` stay."""
    parts = ["".join(c for c in part if c in keep or re.match(r"[^\W_]", c)) for part in name.split(".")]
    return ".".join(parts).lower()


class Pattern(NamedTuple):
    """A pattern as typed. kind: `bare`, `quoted` or `regex`; body: what is in it."""

    text: str
    kind: str
    body: str

    def names(self, name: str) -> bool:
        """Whether it matches the name of a step, a trigger or an input."""
        if self.kind == "regex":
            return re.search(self.body, name, re.IGNORECASE) is not None
        whole = plain_name(name)
        compared = whole if "." in self.body else whole.rsplit(".", 1)[-1]
        asked = plain_name(self.body, "*?" if self.kind == "bare" else "")
        return wild(asked, compared) if self.kind == "bare" else asked == compared

    def fits(self, text: str) -> bool:
        """Whether it matches any other text as a whole."""
        if self.kind == "regex":
            return re.search(self.body, text, re.IGNORECASE) is not None
        text = text.strip().lower()
        return wild(self.body.lower(), text) if self.kind == "bare" else self.body.strip().lower() == text

    def is_in(self, text: str) -> bool:
        """Whether `text` contains it."""
        if self.kind == "regex":
            return re.search(self.body, text, re.IGNORECASE) is not None
        return self.body.lower() in text.lower()


# -- flows


def pieces(flow: Flow) -> list:
    return [*([flow.trigger] if flow.trigger else []), *flow.components]


def filled(flow: Flow) -> list[tuple[str, str]]:
    """Name and value of each input that is not blank."""
    return [(i.name, i.value) for p in pieces(flow) for i in p.inputs if i.value.strip()]


def any_input(flow: Flow, holds: Callable[[str, str], bool]) -> bool:
    """Whether it holds for some name and value; a blank value is none."""
    return any(holds(name, value) for name, value in filled(flow))


def clauses(name: str, value: str) -> list[tuple[str, str]]:
    """Field and value of each clause of a query input."""
    query = parse_query(value) if name in QUERY_INPUTS else None
    return [(c.field, c.value) for c in query.clauses] if query else []


def places(flow: Flow) -> tuple[list[int], dict[int, int | None]]:
    """The steps in the order of the tree, orphans last, and the parent of each; None at the top."""
    parent = {p.index: p.parent for p in flow.tree()}
    left = [i for i in range(len(flow.components)) if i not in parent]
    return [*parent, *left], parent | dict.fromkeys(left)


def related(order: list[int], parent: dict[int, int | None], relation: str, a: int, b: int) -> bool:
    """Whether step `b` stands to step `a` as the relation says."""
    if relation == ">":
        return parent[b] == a
    if relation == ">>":
        above = parent[b]
        while above is not None and above != a:
            above = parent[above]
        return above == a and above is not None
    block = [i for i in order if parent[i] == parent[a]]
    if b not in block:
        return False
    apart = block.index(b) - block.index(a)
    return apart == 1 if relation == "," else apart > 0


StepMeaning = Callable[[Flow, int], bool]


def last_matches(flow: Flow, elements: Sequence[StepMeaning], relations: Sequence[str]) -> set[int]:
    """The steps that the last element of a shape matches."""
    order, parent = places(flow)
    here = {i for i in order if elements[0](flow, i)}
    for relation, element in zip(relations, elements[1:], strict=True):
        here = {b for b in order if element(flow, b) and any(related(order, parent, relation, a, b) for a in here)}
    return here


COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
}  # fmt: skip


def compared(value: float | None, sign: str, other: float | None) -> Truth:
    """Numbers as people read them: what differs by less than a millionth is the same."""
    return None if value is None or other is None else COMPARE[sign](round(value - other, 6), 0)


def mean_score(world: World, model: str, id: str) -> float | None:
    found = world.scores.get((model, id))
    return sum(found) / len(found) if found else None


def spread(world: World, id: str) -> float | None:
    found = [v for m in MODELS if (v := mean_score(world, m, id)) is not None]
    return max(found) - min(found) if len(found) > 1 else None


def mean_of_models(world: World, id: str) -> float | None:
    found = [v for m in MODELS if (v := mean_score(world, m, id)) is not None]
    return sum(found) / len(found) if found else None


def broken_share(world: World, models: Sequence[str], id: str) -> float | None:
    flows = [g.generated for m in models for g in world.generations.get((m, id), []) if g.generated]
    return 100 * sum(bool(structure_errors(f)) for f in flows) / len(flows) if flows else None


def depth_of(flow: Flow) -> int:
    order, parent = places(flow)
    orphans = set(flow.orphans())

    def depth(i: int | None) -> int:
        return 0 if i is None else 1 + depth(parent[i])

    return max((depth(i) for i in order if i not in orphans), default=0)


def number_fact(world: World, fact: str, sample: Sample) -> float | None:
    flow = sample.reference
    name, _, model = fact.partition(".")
    if fact in ("steps", "depth"):
        return None if flow is None else len(flow.components) if fact == "steps" else depth_of(flow)
    if fact == "requirement_length":
        return len(sample.requirement.split())
    if fact == "spread":
        return spread(world, sample.id)
    if name == "structure_errors":
        return broken_share(world, [model] if model else MODELS, sample.id)
    return mean_score(world, model, sample.id) if model else mean_of_models(world, sample.id)


def unreadable(world: World, model: str, id: str) -> Truth:
    found = world.generations.get((model, id), [])
    return any(g.generated is None for g in found) if found else None


def disagree(world: World, model: str, id: str) -> Truth:
    found = world.scores.get((model, id), [])
    return max(found) - min(found) > 0.01 if len(found) > 1 else None


def lost(world: World, pattern: Pattern, model: str, id: str) -> float | None:
    """Points that a model lost by the kinds of cause that fit; None where it has no generation with a score."""
    found = world.losses.get((model, id))
    return None if found is None else sum(v for k, v in found.items() if pattern.fits(k))


# -- slices and their meaning


class Asked(NamedTuple):
    """A slice: its text, what it means, and what of the grammar is in it."""

    text: str
    holds: Meaning
    kinds: tuple[str, ...]


FlowMeaning = Callable[[Flow], bool]
SPACES = ("", "", "", " ", " ", "  ", "\n", "\t")
_WORDLIKE = re.compile(r"[\w.*?@:%+-]")


class Asker:
    """Makes random slices over the words of a world."""

    def __init__(self, world: World, rng: random.Random):
        self.world, self.rng = world, rng
        self.kinds: list[str] = []

    # -- text

    def joined(self, tokens: Sequence[str]) -> str:
        """Tokens with random space between them, some where two words would run together."""
        text = tokens[0]
        for token in tokens[1:]:
            if token in (":", "@") or text[-1] in ":@":
                text += token
                continue
            space = self.rng.choice(SPACES) if self.loose else ""
            if not space and (_touch(text[-1], token[0]) or not self.loose):
                space = " " if _touch(text[-1], token[0]) or self.rng.random() < 0.8 else ""
            text += space + token
        return text

    def ask(self, depth: int = 3) -> Asked:
        """A random slice."""
        return self.query(depth)

    def query(self, depth: int) -> Asked:
        self.kinds, self.loose = [], self.rng.random() < 0.5
        tokens, holds = self.any_of(depth)
        return Asked(self.joined(tokens), holds, tuple(dict.fromkeys(self.kinds)))

    def said(self, kind: str) -> None:
        self.kinds.append(kind)

    # -- logic

    def any_of(self, depth: int) -> tuple[list[str], Meaning]:
        return self.several(("|", "or", "|", "OR"), "or", either, lambda: self.all_of(depth), depth)

    def all_of(self, depth: int) -> tuple[list[str], Meaning]:
        return self.several(("&", "and", "&", "AND"), "and", both, lambda: self.one(depth), depth)

    def several(self, marks, kind, join, inner, depth) -> tuple[list[str], Meaning]:
        n = self.rng.choice((1, 1, 1, 2, 2, 3)) if depth > 0 else 1
        parts = [inner() for _ in range(n)]
        if n == 1:
            return parts[0]
        self.said(kind)
        tokens = list(parts[0][0])
        for more, _ in parts[1:]:
            tokens += [self.rng.choice(marks), *more]
        return tokens, lambda s, w: join([holds(s, w) for _, holds in parts])

    def one(self, depth: int) -> tuple[list[str], Meaning]:
        r = self.rng.random()
        if r < 0.2:
            self.said("not")
            tokens, holds = self.one(depth - 1)
            return [self.rng.choice(("~", "~", "not")), *tokens], lambda s, w: opposite(holds(s, w))
        if r < 0.35 and depth > 0:
            self.said("brackets")
            tokens, holds = self.any_of(depth - 1)
            return ["(", *tokens, ")"], holds
        return self.atom()

    def atom(self) -> tuple[list[str], Meaning]:
        makers = [
            self.feature, self.number, self.number, self.two_models, self.contains, self.listed, self.sample_text,
            self.of_flow, self.of_flow, self.of_flow, self.on_generated, self.on_generated, self.on_all, self.cause,
            self.result, self.person, self.free_text, self.kept,
        ]  # fmt: skip
        return self.rng.choice(makers)()

    # -- words of patterns

    def cased(self, text: str) -> str:
        return self.rng.choice((text, text, text.upper(), text.lower(), text.title())) if text.isascii() else text

    def quoted(self, body: str, marks: str = "\"'`") -> str:
        """`body` in quotes that can hold it."""
        mark = self.rng.choice(marks)
        if mark == '"' or mark in body or "\\" in body:
            return '"' + body.replace("\\", "\\\\").replace('"', '\\"') + '"'
        self.said(f"quoted {mark}")
        return f"{mark}{body}{mark}"

    def regex(self, body: str) -> Pattern:
        """A regular expression that finds a piece of `body`, or nearly."""
        at = self.rng.randint(0, max(len(body) - 3, 0))
        piece = re.escape(body[at : at + self.rng.randint(1, 4)]) or "x"
        piece = piece.replace("\\ ", " ").replace("\\\n", "\\n")
        form = self.rng.choice(("{}", "^{}", "{}\\Z", "{}.*[a-m]", "({}|qq)", "[^x]{}", "\\b{}", "{}+", "\\d|{}"))
        self.said("regex")
        typed = form.format(piece).replace("\\Z", "$").replace("/", "\\/")
        return Pattern(f"/{typed}/", "regex", form.format(piece))  # Python's $ is before a last line break too

    def pattern(self, known: Sequence[str], as_name: bool, regex: bool = True, element: bool = False) -> Pattern:
        """A pattern near one of `known`, in any of its forms. element: at the start of a shape, where other words mean more."""
        body = self.rng.choice(known)
        kind = self.rng.choice(("bare", "bare", "bare", "quoted", "regex" if regex else "quoted"))
        if kind == "regex" and body.strip():
            return self.regex(body)
        if as_name:
            if "." in body and self.rng.random() < 0.6:
                body = body.rsplit(".", 1)[-1] or body
            if self.rng.random() < 0.3:
                body = body.replace("_", self.rng.choice((" ", "-", "")))
        body = self.cased(body)
        if kind == "bare":
            if as_name:
                body = re.sub(r"\s", self.rng.choice(("_", "-", "")), body)
            if self.rng.random() < 0.4 and len(body.strip()) > 2:
                self.said("wildcard")
                body = self.wildcarded(body)
            plain = re.fullmatch(r"[\w*?][\w*?.-]*", body) and (not element or not re.fullmatch(r"[\d.eE-]+", body))
            if plain and body.lower() not in RESERVED and (as_name is False or plain_name(body, "*?").strip(".")):
                return Pattern(body, "bare", body)
            if any(c in body for c in "*?"):
                body = body.replace("*", "").replace("?", "")
        if not body.strip() or (as_name and not plain_name(body)):
            body = self.rng.choice([k for k in known if plain_name(k).strip(".")])
        return Pattern(self.quoted(body), "quoted", body)

    def wildcarded(self, body: str) -> str:
        at = self.rng.randint(0, len(body) - 1)
        return self.rng.choice(
            (body[:at] + "*", "*" + body[at:], body[:at] + "?" + body[at + 1 :], f"*{body[at : at + 3]}*", "*")
        )

    def content(self, known: Sequence[str]) -> Pattern:
        """A text to be contained, or a regular expression."""
        body = self.rng.choice([k for k in known if k.strip()])
        if self.rng.random() < 0.3:
            return self.regex(body)
        at = self.rng.randint(0, max(len(body) - 4, 0))
        body = self.cased(body[at : at + self.rng.randint(2, 8)])
        if re.fullmatch(r"[^\W\d]\w*", body) and body.lower() not in RESERVED and self.rng.random() < 0.3:
            self.said("bare contained")
            return Pattern(body, "bare", body)
        return Pattern(self.quoted(body, "\"'"), "quoted", body)

    def model(self) -> tuple[str, str]:
        name = self.rng.choice(MODELS)
        plain = re.fullmatch(r"[\w.-]+", name) and self.rng.random() < 0.85
        return name, name if plain else f"`{name}`"

    def threshold(self) -> str:
        return self.rng.choice(("0", "100", "40", "50", "70", "80.5", "9e1", "95", str(self.rng.randint(1, 100))))

    def sign(self, signs: str = "< <= > >= = != ==") -> str:
        return self.rng.choice(signs.split())

    # -- features, facts and results

    def feature(self) -> tuple[list[str], Meaning]:
        name = self.rng.choice(list(FEATURES))
        self.said("feature")
        forms = [
            [name],
            [name],
            [f"`{name}`"],
            [f"`{FEATURES[name]}`"],
            [f'"{FEATURES[name]}"'],
            ["feature", ":", name],
        ]
        form = self.rng.choice(forms)
        self.said("title" if FEATURES[name] in form[-1] else "name")
        return form, lambda s, w: w.features[name][s.id]

    def number(self) -> tuple[list[str], Meaning]:
        fact = self.rng.choice(
            ("steps", "depth", "requirement_length", "spread", "score", "structure_errors", "model", "model", "score.model",
             "structure_errors.model")
        )  # fmt: skip
        share, name = fact.split(".")[0] in ("score", "structure_errors", "model", "spread"), fact
        typed = fact
        if fact.endswith("model"):
            model, shown = self.model()
            name = ("score." if fact == "model" else fact[:-5]) + model
            typed = shown if fact == "model" else name if shown == model else f"`{name}`"
        self.said(f"number {fact}")
        value = self.threshold() if share else str(self.rng.randint(-1, 9)) + self.rng.choice(("", "", ".0", ".5"))
        percent = (
            self.rng.choice(("", "", "%"))
            if name.split(".")[0] in ("score", "structure_errors") and fact != "model"
            else ""
        )
        sign = self.sign()
        asked = float(value)
        return [typed, sign, value + percent], lambda s, w: compared(number_fact(w, name, s), sign, asked)

    def two_models(self) -> tuple[list[str], Meaning]:
        (a, shown_a), (b, shown_b) = self.model(), self.model()
        sign, more = self.sign("< <= > >="), self.rng.choice((None, "20", "5.5", "100", "1e1"))
        plus = self.rng.choice("+-")
        tokens = [shown_a, sign, shown_b] + ([plus, more] if more else [])
        by = float(more or 0) * (1 if plus == "+" else -1)
        self.said("two models by a number" if more else "two models")

        def holds(s: Sample, w: World) -> Truth:
            other = mean_score(w, b, s.id)
            return compared(mean_score(w, a, s.id), sign, None if other is None else other + by)

        return tokens, holds

    def result(self) -> tuple[list[str], Meaning]:
        what, of = self.rng.choice((("unreadable", unreadable), ("repeats_disagree", disagree)))
        if self.rng.random() < 0.4:
            self.said(f"{what} of any")

            def of_any(s: Sample, w: World) -> Truth:
                known = [v for m in MODELS if (v := of(w, m, s.id)) is not None]
                return any(known) if known else None

            return [what], of_any
        model, shown = self.model()
        self.said(f"{what} of a model")
        return [what, ":", shown], lambda s, w: of(w, model, s.id)

    def cause(self) -> tuple[list[str], Meaning]:
        met = [k for found in self.world.losses.values() for k in found]
        pattern = self.pattern([*met, *CAUSE_KINDS], as_name=False)
        while not any(
            pattern.fits(k) for k in CAUSE_KINDS
        ):  # causes are a closed list: what is none of them is refused
            pattern = self.pattern([*met, *CAUSE_KINDS], as_name=False)
        model, shown = self.model()
        whose, at = ([model], ["@", shown]) if self.rng.random() < 0.7 else (MODELS, [])
        kind = self.rng.choice(("cause", "loss"))
        self.said(f"{kind} of {'a model' if at else 'any'}")
        sign, value = (
            (">", "0") if kind == "cause" else (self.sign("< <= > >= = !="), self.rng.choice(("0", "5", "20.5", "100")))
        )

        def holds(s: Sample, w: World) -> Truth:
            known = [v for m in whose if (v := lost(w, pattern, m, s.id)) is not None]
            return compared(max(known), sign, float(value)) if known else None

        return [kind, ":", pattern.text, *at, *([] if kind == "cause" else [sign, value])], holds

    # -- the sample

    def listed(self) -> tuple[list[str], Meaning]:
        fact = self.rng.choice(("id", "domain", "environment"))
        known = (
            [s.id for s in self.world.samples]
            if fact == "id"
            else [v for v in (DOMAINS if fact == "domain" else ENVIRONMENTS) if v]
        )
        words = [self.cased(w) for w in self.rng.sample(known, self.rng.randint(1, min(4, len(known))))]
        tokens = [fact, "in", "("]
        for i, word in enumerate(words):
            plain = re.fullmatch(r"[^\W\d][\w.-]*", word) and word.lower() not in RESERVED and self.rng.random() < 0.7
            tokens += [*([","] if i else []), word if plain else self.quoted(word, "\"'")]
        self.said(f"{fact} in")
        wanted = [w.strip().lower() for w in words]

        def holds(s: Sample, w: World) -> Truth:
            value = getattr(s, fact)
            return None if value is None else value.strip().lower() in wanted

        return [*tokens, ")"], holds

    def sample_text(self) -> tuple[list[str], Meaning]:
        """A fact that is text: with a pattern, or equal to a word."""
        fact = self.rng.choice(("id", "domain", "environment"))
        known = (
            [s.id for s in self.world.samples]
            if fact == "id"
            else [v for v in (DOMAINS if fact == "domain" else ENVIRONMENTS) if v]
        )
        if fact == "id" or self.rng.random() < 0.6:
            pattern = self.pattern(known, as_name=False)
            self.said(f"{fact}:")
            fits = lambda s: None if getattr(s, fact) is None else pattern.fits(getattr(s, fact))  # noqa: E731
            return [fact, ":", pattern.text], lambda s, w: fits(s)
        word, sign = self.cased(self.rng.choice(known)), self.sign("= != ==")
        self.said(f"{fact} = text")

        def holds(s: Sample, w: World) -> Truth:
            value = getattr(s, fact)
            return None if value is None else (value.strip().lower() == word.lower()) == (sign != "!=")

        return [fact, sign, self.quoted(word, "\"'")], holds

    def contains(self) -> tuple[list[str], Meaning]:
        field_, sign = (
            self.rng.choice(("requirement", "annotation", "note", "domain", "environment")),
            self.rng.choice(("~", "~", "!~")),
        )
        known = {"note": NOTES, "domain": DOMAINS, "environment": ENVIRONMENTS}.get(field_, PHRASES)
        text = self.content([k for k in known if k])
        self.said(f"{field_} ~")

        def holds(s: Sample, w: World) -> Truth:
            if field_ == "annotation":
                return any(text.is_in(p.annotation) for p in pieces(s.reference)) if s.reference else None
            if field_ == "note":
                return any(text.is_in(n) for n in w.notes.get(s.id, []))
            value = getattr(s, field_)
            return None if value is None else text.is_in(value)

        return [field_, sign, text.text], (holds if sign == "~" else lambda s, w: opposite(holds(s, w)))

    def free_text(self) -> tuple[list[str], Meaning]:
        text = self.content([*PHRASES, *(s.id for s in self.world.samples)])
        while text.body in FEATURES.values():
            text = self.content(PHRASES)
        explicit = text.kind != "quoted" or self.rng.random() < 0.4
        self.said("text:" if explicit else "bare text")

        def holds(s: Sample, w: World) -> Truth:
            said = [p.annotation for p in pieces(s.reference)] if s.reference else []
            return any(text.is_in(t) for t in [s.requirement, s.id, *said])

        return (["text", ":"] if explicit else []) + [text.text], holds

    def person(self) -> tuple[list[str], Meaning]:
        pattern = self.pattern(PEOPLE, as_name=False)
        self.said("by:")
        return ["by", ":", pattern.text], lambda s, w: any(pattern.fits(p) for p in w.people.get(s.id, ()))

    def kept(self) -> tuple[list[str], Meaning]:
        if not self.world.saved:
            return self.feature()
        name = self.rng.choice(list(self.world.saved))
        self.said("in saved")
        plain = re.fullmatch(r"\w+", name) and self.rng.random() < 0.5
        holds = self.world.saved[name].holds
        return ["in", name if plain else self.quoted(name, "\"'")], lambda s, w: holds(s, w)

    # -- flows

    def of_flow(self) -> tuple[list[str], Meaning]:
        tokens, holds = self.flow_atom()
        return tokens, lambda s, w: holds(s.reference) if s.reference else None

    def on_generated(self) -> tuple[list[str], Meaning]:
        model, shown = self.model()
        verb = self.rng.choice(("has", "has", "lacks", "have", "lack"))
        tokens, holds = self.body()
        self.said(verb[:3])
        turned = opposite if verb.startswith("lack") else lambda v: v
        return [shown, verb, *tokens], lambda s, w: turned(_made(w, model, s.id, holds))

    def on_all(self) -> tuple[list[str], Meaning]:
        which, noun = self.rng.choice(("all", "any", "no")), self.rng.choice(("models", "model"))
        verb = self.rng.choice(("has", "lacks", "have", "lack"))
        tokens, holds = self.body()
        self.said(f"{which} models")
        turned = opposite if verb.startswith("lack") else lambda v: v
        each = lambda s, w: [turned(_made(w, m, s.id, holds)) for m in MODELS]  # noqa: E731
        meanings: dict[str, Meaning] = {
            "all": lambda s, w: both(each(s, w)),
            "any": lambda s, w: either(each(s, w)),
            "no": lambda s, w: both([opposite(v) for v in each(s, w)]),
        }
        return [which, noun, verb, *tokens], meanings[which]

    def body(self) -> tuple[list[str], FlowMeaning]:
        if self.rng.random() < 0.55:
            return self.flow_atom(body=True)
        self.said("body of several")
        tokens, holds = self.flow_logic(2, lambda: self.flow_atom(body=True))
        return ["(", *tokens, ")"], holds

    def flow_logic(
        self, depth: int, leaf: Callable[[], tuple[list[str], FlowMeaning]]
    ) -> tuple[list[str], FlowMeaning]:
        """And, or, not and brackets over leaves of which each holds or does not."""
        r = self.rng.random()
        if depth <= 0 or r < 0.4:
            return leaf()
        if r < 0.55:
            tokens, holds = leaf()
            return [self.rng.choice(("~", "not")), *tokens], lambda *a: not holds(*a)
        if r < 0.65:
            tokens, holds = self.flow_logic(depth - 1, leaf)
            return ["(", *tokens, ")"], holds
        if r < 0.82:
            parts = [self.flow_logic(0, leaf) for _ in range(2)]
            return [*parts[0][0], self.rng.choice(("&", "and")), *parts[1][0]], lambda *a: all(h(*a) for _, h in parts)
        parts = [self.flow_logic(depth - 1, leaf) for _ in range(2)]
        return [*parts[0][0], self.rng.choice(("|", "or")), *parts[1][0]], lambda *a: any(h(*a) for _, h in parts)

    def flow_atom(self, body: bool = False) -> tuple[list[str], FlowMeaning]:
        makers = [self.step, self.trigger, self.trigger, self.table, self.column, self.value, self.input, self.shape, self.shape, self.shape,
                  self.count, self.containing, self.containing]  # fmt: skip
        return self.rng.choice([*makers, self.lone_step] if body else makers)()

    def lone_step(self) -> tuple[list[str], FlowMeaning]:
        pattern = self.pattern([n for n in STEPS if n != "!!!"], as_name=True, regex=False, element=True)
        if pattern.kind != "bare":
            return self.step()
        self.said("lone name in a body")
        return [pattern.text], lambda f: any(pattern.names(c.name) for c in f.components)

    def step(self) -> tuple[list[str], FlowMeaning]:
        pattern = self.pattern(STEPS, as_name=True)
        self.said("step:")
        return ["step", ":", pattern.text], lambda f: any(pattern.names(c.name) for c in f.components)

    def trigger(self) -> tuple[list[str], FlowMeaning]:
        pattern = self.pattern(TRIGGERS, as_name=True)
        self.said("trigger:")
        tokens, keeps = self.filter() if self.rng.random() < 0.3 else ([], lambda p: True)
        if tokens:
            self.said("trigger with filter")
        return ["trigger", ":", pattern.text, *tokens], lambda f: bool(
            f.trigger and pattern.names(f.trigger.type) and keeps(f.trigger)
        )

    def table(self) -> tuple[list[str], FlowMeaning]:
        pattern = self.pattern([t for t in TABLES if t], as_name=False)
        self.said("table:")
        return ["table", ":", pattern.text], lambda f: any_input(f, lambda n, v: is_table_input(n) and pattern.fits(v))

    def column(self) -> tuple[list[str], FlowMeaning]:
        pattern = self.pattern(
            ["state", "assigned_to", "Größe", "due date", "a", "active", "caller_id.vip", "name"], as_name=False
        )
        self.said("column:")
        return ["column", ":", pattern.text], lambda f: any_input(
            f, lambda n, v: (is_column_input(n) and pattern.fits(v)) or any(pattern.fits(c) for c, _ in clauses(n, v))
        )

    def value(self) -> tuple[list[str], FlowMeaning]:
        known = [
            v
            for v in [
                *VALUES,
                "true",
                "1",
                "2",
                "On Hold",
                "x",
                "incident",
                "today",
                "state=On Hold^assigned_to={{step_1.id}}",
            ]
            if v.strip()
        ]
        pattern = self.pattern(known, as_name=False)
        self.said("value:")
        return ["value", ":", pattern.text], lambda f: any_input(
            f, lambda n, v: pattern.fits(v) or any(pattern.fits(c) for _, c in clauses(n, v))
        )

    def input(self) -> tuple[list[str], FlowMeaning]:
        pattern = self.pattern(list(INPUTS), as_name=True)
        self.said("input:")
        return ["input", ":", pattern.text], lambda f: any_input(f, lambda n, v: pattern.names(n))

    def containing(self) -> tuple[list[str], FlowMeaning]:
        """`annotation ~ "text"`, and the same of names and values as they are written."""
        what, sign = (
            self.rng.choice(("annotation", "annotation", "step", "trigger", "table", "column", "value", "input")),
            self.rng.choice(("~", "~", "!~")),
        )
        values = [v for found in INPUTS.values() for v in found]
        known = {"annotation": PHRASES, "step": STEPS, "trigger": TRIGGERS, "table": TABLES, "input": list(INPUTS)}.get(
            what, values
        )
        text = self.content(known)
        texts: dict[str, Callable[[Flow], list[str]]] = {
            "annotation": lambda f: [p.annotation for p in pieces(f)],
            "step": lambda f: [c.name for c in f.components],
            "trigger": lambda f: [f.trigger.type] if f.trigger else [],
            "table": lambda f: [v for n, v in filled(f) if is_table_input(n)],
            "column": lambda f: (
                [v for n, v in filled(f) if is_column_input(n)] + [c for n, v in filled(f) for c, _ in clauses(n, v)]
            ),
            "value": lambda f: [t for n, v in filled(f) for t in (v, *(c for _, c in clauses(n, v)))],
            "input": lambda f: [n for n, _ in filled(f)],
        }
        self.said(f"{what} ~ of a flow")
        return [what, sign, text.text], lambda f: any(text.is_in(t) for t in texts[what](f)) == (sign == "~")

    # -- shapes

    def shape(self) -> tuple[list[str], FlowMeaning]:
        tokens, matches = self.chain(alone=False)
        self.said("shape")
        return tokens, lambda f: bool(matches(f))

    def count(self) -> tuple[list[str], FlowMeaning]:
        tokens, matches = self.chain(alone=True)
        sign, number = self.sign(), str(self.rng.choice((0, 1, 1, 2, 2, 3)))
        self.said("count")
        return ["count", "(", *tokens, ")", sign, number], lambda f: COMPARE[sign](len(matches(f)), int(number))

    def chain(self, alone: bool) -> tuple[list[str], Callable[[Flow], set[int]]]:
        """Elements and what relates them. alone: one element without a filter will do."""
        n = self.rng.choice((1, 2, 2, 2, 3, 4))
        tokens, first = self.element(filtered=True if n == 1 and not alone else None)
        elements, relations = [first], []
        for _ in range(n - 1):
            relation = self.rng.choice((">", ">>", ",", ",,"))
            self.said(f"shape {relation}")
            more, element = self.element()
            tokens, relations = [*tokens, relation, *more], [*relations, relation]
            elements.append(element)
        return tokens, lambda f: last_matches(f, elements, relations)

    def element(self, filtered: bool | None = None) -> tuple[list[str], StepMeaning]:
        tokens, names = self.step_name()
        if filtered is None:
            filtered = self.rng.random() < 0.25
        if not filtered:
            return tokens, lambda f, i: names(f.components[i].name)
        more, keeps = self.filter()
        self.said("filter")
        return [*tokens, *more], lambda f, i: names(f.components[i].name) and keeps(f.components[i])

    def step_name(self) -> tuple[list[str], Callable[[str], bool]]:
        common = ["*", *STEPS[:9], *STEPS] if self.rng.random() < 0.2 else STEPS[:9]
        r = self.rng.random()
        if r < 0.15:
            self.said("element *")
            return ["*"], lambda name: True
        if r < 0.3:
            self.said("element of several")

            def leaf() -> tuple[list[str], Callable[[str], bool]]:
                p = self.pattern([n for n in STEPS if n != "!!!"], as_name=True, element=True)
                return [p.text], p.names

            tokens, holds = self.flow_logic(2, leaf)
            return ["(", *tokens, ")"], holds
        pattern = self.pattern([n for n in common if n != "*"], as_name=True, element=True)
        if self.rng.random() < 0.3:
            self.said("element step:")
            return ["step", ":", pattern.text], pattern.names
        return [pattern.text], pattern.names

    def filter(self) -> tuple[list[str], Callable[[object], bool]]:
        tokens, holds = self.flow_logic(2, self.input_test)
        return ["[", *tokens, "]"], holds

    def input_test(self) -> tuple[list[str], Callable]:
        name = self.rng.choice(list(INPUTS))
        asked = self.pattern([name], as_name=True, regex=False)
        own = lambda piece: [i.value for i in piece.inputs if asked.names(i.name) and i.value.strip()]  # noqa: E731
        sign = self.rng.choice(("", "=", "!=", "~", "!~"))
        self.said(f"filter {sign or 'name'}")
        if not sign:
            return [asked.text], lambda p: bool(own(p))
        known = [v for v in INPUTS[name] if v.strip()]
        wanted = self.pattern(known, as_name=False) if sign in ("=", "!=") else self.content(known)
        test = wanted.fits if sign in ("=", "!=") else wanted.is_in
        return [asked.text, sign, wanted.text], lambda p: any(test(v) for v in own(p)) == (not sign.startswith("!"))


def _made(world: World, model: str, id: str, holds: FlowMeaning) -> Truth:
    flows = [g.generated for g in world.generations.get((model, id), []) if g.generated is not None]
    return any(holds(f) for f in flows) if flows else None


def _touch(left: str, right: str) -> bool:
    """Whether two characters would run together."""
    return (
        (
            bool(_WORDLIKE.match(left) and _WORDLIKE.match(right))
            and ":" not in (left, right)
            and "@" not in (left, right)
        )
        or (bool(re.match(r"[\w.*?]", left)) and right == "/")
        or (left == "/" and bool(re.match(r"[\w]", right)))
    )
