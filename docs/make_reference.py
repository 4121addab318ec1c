"""The reference from docstrings: a page a package, one for the command line, and an index. `make docs` writes them to docs/reference."""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "flowgen_analysis"
TOP = "workbench"  # the page of the modules that stand in no package
WIDTH = 100
NOTE = "<!-- Made by docs/make_reference.py from docstrings: edit the notebook, then `make docs`. -->"

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module(NamedTuple):
    """A module with what it makes public. notebook: the one that exports it, from the root."""

    name: str
    notebook: str
    tree: ast.Module

    @property
    def page(self) -> str:
        """The page that it stands on."""
        return self.name.rpartition(".")[0] or TOP

    @property
    def public(self) -> list[str]:
        """The names of `__all__`."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                return ast.literal_eval(node.value)
        return []

    def defined(self) -> Iterator[tuple[str, ast.stmt]]:
        """Each public name with the statement that defines it, in the order of the module; commands have a page of their own."""
        public = set(self.public)
        for node in self.tree.body:
            names = names_of(node) & public if not is_command(node) else set()
            public -= names
            yield from ((name, node) for name in sorted(names))


def is_command(node: ast.stmt) -> bool:
    """Whether a statement is a command of `flowgen`."""
    return isinstance(node, Definition) and any(d.endswith(".command") for d in _decorators(node))


def names_of(node: ast.stmt) -> set[str]:
    """The names that a statement at the top of a module defines."""
    if isinstance(node, Definition):
        return {node.name}
    if isinstance(node, ast.AnnAssign):
        return {ast.unparse(node.target)}
    if isinstance(node, ast.Assign):
        return {n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    return set()


def modules() -> list[Module]:
    """All modules in the order in which their notebooks are read."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path.name in ("__init__.py", "_modidx.py"):
            continue
        text = path.read_text(encoding="utf-8")
        home = re.search(r"File to edit: [./]*(nbs/\S+\.ipynb)", text)
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found.append(Module(name, home[1] if home else "", ast.parse(text)))
    return sorted(found, key=lambda m: (m.page, m.notebook, m.name))


# -- Markdown


def prose(text: str) -> str:
    """A docstring as Markdown: its code spans stay, what would be HTML or emphasis elsewhere is escaped, indented lines are code."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.split("\n")
        if all(line.startswith("    ") for line in lines):
            blocks.append("\n".join(["```python", *(line[4:] for line in lines), "```"]))
            continue
        parts = re.split(r"(`[^`]*`)", " ".join(line.strip() for line in lines))
        plain = (re.sub(r"[<*\[\]]", lambda m: "&lt;" if m[0] == "<" else "\\" + m[0], p) for p in parts[::2])
        codes = parts[1::2]
        blocks.append("".join(a + b for a, b in zip(plain, [*codes, ""], strict=True)))
    return "\n\n".join(blocks)


def fenced(code: str) -> str:
    """Code in a fence."""
    return f"```python\n{code}\n```"


def arguments(function: Function, skip_self: bool) -> list[str]:
    """The arguments of a function as written, with annotations and defaults."""
    a = function.args
    plain = [*a.posonlyargs, *a.args]
    defaults = [None] * (len(plain) - len(a.defaults)) + [*a.defaults]
    shown = [_argument(x, d) for x, d in zip(plain, defaults, strict=True)]
    if a.posonlyargs:
        shown.insert(len(a.posonlyargs), "/")
    if skip_self:
        shown = shown[1:]
    if a.vararg:
        shown.append("*" + _argument(a.vararg, None))
    elif a.kwonlyargs:
        shown.append("*")
    shown += [_argument(x, d) for x, d in zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    return [*shown, *(["**" + _argument(a.kwarg, None)] if a.kwarg else [])]


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    annotation = argument.annotation
    kind = annotation.value if isinstance(annotation, ast.Constant) else annotation and ast.unparse(annotation)
    shown = f"{argument.arg}: {kind}" if kind else argument.arg
    if default is None:
        return shown
    return f"{shown} = {ast.unparse(default)}" if kind else f"{shown}={ast.unparse(default)}"


def signature(function: Function, name: str = "", skip_self: bool = False, wrap: bool = True) -> str:
    """How a function is called, on several lines where one is too long."""
    shown = arguments(function, skip_self)
    returns = function.returns
    kind = returns.value if isinstance(returns, ast.Constant) else returns and ast.unparse(returns)
    end = f") -> {kind}" if kind and function.name != "__init__" else ")"
    start = ("async " if isinstance(function, ast.AsyncFunctionDef) else "") + (name or function.name) + "("
    line = start + ", ".join(shown) + end
    if len(line) <= WIDTH or not wrap:
        return line
    return "\n".join([start, *(f"    {x}," for x in shown), end])


def _decorators(node: Definition) -> set[str]:
    return {ast.unparse(d).partition("(")[0] for d in node.decorator_list}


def is_public_method(node: ast.stmt) -> bool:
    """Whether a statement of a class is a method or property to be documented: not a setter, nor a hook of pydantic."""
    return (
        isinstance(node, Function)
        and not node.name.startswith("_")
        and node.name != "model_post_init"
        and not any(d.endswith(".setter") for d in _decorators(node))
    )


def class_text(node: ast.ClassDef) -> str:
    """A class: its head with the fields, what it is, how it is made, and its methods."""
    fields = [ast.unparse(x) for x in node.body if isinstance(x, ast.AnnAssign) and not is_private(x)]
    bases = ", ".join(map(ast.unparse, [*node.bases, *(k.value for k in node.keywords)]))
    made = next((x for x in node.body if isinstance(x, ast.FunctionDef) and x.name == "__init__"), None)
    head = f"class {node.name}" + (f"({bases})" if bases else "")
    code = [head + ":", *(f"    {f}" for f in fields)] if fields else [head]
    if made and len(made.args.args) + len(made.args.kwonlyargs) > 1:
        code += ["", signature(made, node.name, skip_self=True)]
    parts = [fenced("\n".join(code)), prose(ast.get_docstring(node) or "")]
    if made and (said := ast.get_docstring(made)):
        parts.append(prose(said))
    methods = [method_text(x) for x in node.body if is_public_method(x) and isinstance(x, Function)]
    return "\n\n".join(p for p in [*parts, "\n".join(methods)] if p)


def is_private(field: ast.AnnAssign) -> bool:
    """Whether a field is the class's own business."""
    return ast.unparse(field.target).startswith("_")


def method_text(node: Function) -> str:
    """A method as an item of a list."""
    kinds = _decorators(node)
    said = prose(ast.get_docstring(node) or "").replace("\n\n", " ")
    if kinds & {"property", "cached_property"}:
        shown = node.name + (f": {ast.unparse(node.returns)}" if node.returns else "")
    else:
        shown = signature(node, skip_self="staticmethod" not in kinds, wrap=False)
    mark = next((f"{k} " for k in ("classmethod", "staticmethod") if k in kinds), "")
    return f"- `{mark}{shown}` – {said}" if said else f"- `{mark}{shown}`"


def entry(name: str, node: ast.stmt) -> str:
    """A public name under its heading."""
    if isinstance(node, ast.ClassDef):
        text = class_text(node)
    elif isinstance(node, Function):
        text = fenced(signature(node)) + "\n\n" + prose(ast.get_docstring(node) or "")
    else:
        line = ast.unparse(node)
        text = fenced(line if len(line) <= 2 * WIDTH else line[: 2 * WIDTH - 2] + " …")
    return f"### {name}\n\n{text.strip()}"


def module_text(module: Module, up: str) -> str:
    """A module: what it is, where it is explained, and its names."""
    said = prose(ast.get_docstring(module.tree) or "")
    where = f"[{module.notebook}]({up}{module.notebook})"
    entries = [entry(name, node) for name, node in module.defined()]
    return "\n\n".join([f"## {module.name}", f"{said}\n\nExplained in {where}.", *entries])


def package_page(page: str, found: list[Module]) -> str:
    """The page of a package."""
    title = f"`flowgen_analysis.{page}`" if page != TOP else "Workbench and project"
    listed = [f"- [{m.name}](#{anchor(m.name)}) – {prose(ast.get_docstring(m.tree) or '')}" for m in found]
    body = [module_text(m, "../../") for m in found]
    return "\n\n".join([f"{NOTE}\n# {title}", "[Index](README.md)", "\n".join(listed), *body]) + "\n"


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(headings: list[str]) -> list[str]:
    """The anchors of the headings of a page, repeated ones numbered."""
    seen: dict[str, int] = {}
    found = []
    for heading in headings:
        plain = anchor(heading)
        n = seen[plain] = seen.get(plain, -1) + 1
        found.append(f"{plain}-{n}" if n else plain)
    return found


def headings(page: str) -> list[str]:
    """The headings of a page of Markdown, those in fences left out."""
    outside = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ (.+)$", outside, re.MULTILINE)


# -- the command line


def command_page() -> str:
    """`flowgen` and all its commands, as they describe themselves."""
    import typer

    from flowgen_analysis.cli.main import app, load_commands

    load_commands()
    root = typer.main.get_command(app)
    parts = [f"{NOTE}\n# `flowgen`", "[Index](README.md)", prose(root.help or "")]
    plain = [
        f"`{name}`" for name, command in commands(root) if "--json" not in [o for p in command.params for o in p.opts]
    ]
    parts.append(
        f"Every command but {' and '.join(plain)} takes `--json`: one object on standard output and nothing else there. Exit codes: 0 it "
        "did its work; 1 findings, where they are the question; 2 a bad call or bad input, in one line on standard error."
    )
    for name, command in commands(root):
        taken = [p for p in command.params if p.param_type_name == "argument"]
        usage = " ".join([f"flowgen {name}", *map(_metavar, taken), "[OPTIONS]"])
        rows = [_row(p) for p in command.params if p.name != "help"]
        table = "\n".join(["| argument or option | what it says |", "| --- | --- |", *rows])
        parts.append(f"## flowgen {name}\n\n```sh\n{usage}\n```\n\n{prose(command.help or '')}\n\n{table}")
    return "\n\n".join(parts) + "\n"


def commands(command, before: str = "") -> Iterator[tuple]:
    """Every command with its full name, sorted."""
    for name in sorted(command.commands):
        own = command.commands[name]
        if hasattr(own, "commands"):
            yield from commands(own, f"{before}{name} ")
        else:
            yield f"{before}{name}", own


def _metavar(argument) -> str:
    return argument.metavar or argument.name.upper()


def _row(parameter) -> str:
    said = prose(parameter.help or "").replace("|", "\\|")
    if parameter.param_type_name == "argument":
        return f"| `{_metavar(parameter)}` | {said} |"
    names = [*parameter.opts, *parameter.secondary_opts]
    default = parameter.default
    shown = not callable(default) and default not in (None, False, True, "", [], ()) and not parameter.is_flag
    return f"| {', '.join(f'`{n}`' for n in names)} | {said}{f' Default: `{default}`' if shown else ''} |"


# -- the index


FIRST = ("workbench.Workbench", "app.App", "scoring.flowsim.flowsim", "flows.reading.read_flow",
         "features.matrix.FeatureMatrix", "analysis.slices.Slice")  # fmt: skip


def concerns() -> dict[str, str]:
    """What each package is there for, as docs/architecture.md says it."""
    table = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/]+)/` \| ([^|]+) \|", table, re.MULTILINE)
    return {package.replace("/", "."): said.strip() for package, said in rows}


def tutorials() -> list[str]:
    """A line a tutorial, those first that come first."""
    order = ("first_hour", "own_flows", "tag_a_feature", "compare_two_runs", "run_a_model", "findings", "datasets")
    paths = sorted(
        (ROOT / "nbs" / "tutorials").glob("*.ipynb"),
        key=lambda p: (p.stem not in order, [*order, p.stem].index(p.stem)),
    )
    lines = []
    for path in paths:
        first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        title, said = re.match(r"# (.+)\n+> (.+)", first).groups()  # type: ignore[union-attr]
        lines.append(f"- [{title}](../../nbs/tutorials/{path.name}) – {said}")
    return lines


def linked(pages: dict[str, list[Module]]) -> list[tuple[str, str, str]]:
    """Every public name with its module and its address from the index."""
    found = []
    for page, own in pages.items():
        order: list[tuple[str, str]] = []
        for m in own:
            order += [("", m.name), *((m.name, name) for name, _ in m.defined())]
        for (module, name), mark in zip(order, anchors([name for _, name in order]), strict=True):
            if module:
                found.append((name, module, f"{page}.md#{mark}"))
    return found


def index_page(pages: dict[str, list[Module]]) -> str:
    """Where to start, the tutorials, and every package."""
    known, said = {f"{m}.{n}": a for n, m, a in linked(pages)}, concerns()
    first = [f"- [{full.rpartition('.')[2]}]({known[full]}) – {summary(pages, full)}" for full in FIRST]
    packages = []
    for page in sorted(pages, key=lambda p: (p != TOP, p)):
        about = said.get(page) or ", ".join(m.name.rpartition(".")[2] for m in pages[page])
        packages.append(
            f"| [{page}]({page}.md) | {prose(about)} | {sum(len(list(m.defined())) for m in pages[page])} |"
        )
    return "\n\n".join([
        f"{NOTE}\n# Reference",
        "Made from docstrings with `make docs`. Scores are 0 to 1 in the library and 0 to 100 on screens. Bad input is one `InputError`, "
        "which says where, what, what was expected and what to do. [All names](names.md), [the command line](commands.md).",
        "## Where to start", "\n".join(first),
        "## Tutorials", "\n".join(tutorials()),
        "## Packages", "\n".join(["| package | what it is there for | names |", "| --- | --- | ---: |", *packages]),
    ]) + "\n"  # fmt: skip


def summary(pages: dict[str, list[Module]], full: str) -> str:
    """The first sentence of a name's docstring."""
    module, _, name = full.rpartition(".")
    for own in pages.values():
        for m in own:
            node = dict(m.defined()).get(name) if m.name == module else None
            if isinstance(node, Definition):
                return prose((ast.get_docstring(node) or "").split("\n\n")[0].partition(". ")[0].rstrip(".") + ".")
    raise KeyError(full)


def names_page(pages: dict[str, list[Module]]) -> str:
    """Every public name, sorted."""
    rows = sorted(linked(pages), key=lambda row: (row[0].lower(), row))
    lines = [f"- [{name}]({address}) – {module}" for name, module, address in rows]
    return "\n\n".join([f"{NOTE}\n# All names", "[Index](README.md)", "\n".join(lines)]) + "\n"


def make() -> dict[str, str]:
    """The pages by file name."""
    pages: dict[str, list[Module]] = {}
    for module in modules():
        pages.setdefault(module.page, []).append(module)
    made = {f"{page}.md": package_page(page, own) for page, own in pages.items()}
    return made | {"README.md": index_page(pages), "names.md": names_page(pages), "commands.md": command_page()}


def main(folder: Path = ROOT / "docs" / "reference") -> None:
    """Write the pages, and take away those that are no more."""
    made = make()
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    print(f"{len(made)} pages in {folder}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
