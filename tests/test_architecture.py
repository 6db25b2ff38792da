"""The layers hold: a module imports only lower lines, and siblings are strangers."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Higher lines first; what stands on one line does not know its neighbours.
LAYERS = (
    ("marginsite", "loans.urls", "loans.management"),
    ("loans.views", "loans.admin", "loans.paper"),
    ("loans.tasks",),
    ("loans.forms", "loans.htmx", "loans.venues", "loans.checks", "loans.templatetags"),
    ("loans.services",),
    ("loans.models",),
    ("loans.repaying",),
    ("loans.fields", "loans.vault", "loans.bitmart", "loans.formatting", "loans.replay"),
    ("loans.charges",),
    ("loans.charging",),
    ("loans.interest", "loans.exact", "loans.periods"),
)
HEIGHTS = {part: -number for number, line in enumerate(LAYERS) for part in line}
# Django names these two by their place; they hold nothing that a layer could.
UNLAYERED = ("loans.apps", "loans.migrations", "loans")
OURS = ("loans", "marginsite", "launch")
NO_DJANGO = ("loans.bitmart", "loans.paper")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules() -> dict[str, ast.Module]:
    """Every module of ours, parsed."""
    paths = [p for folder in OURS for p in (ROOT / folder).rglob("*.py")]
    return {module_name(p): ast.parse(p.read_text(encoding="utf-8")) for p in paths}


def imports(name: str, tree: ast.Module) -> set[str]:
    """Every module that this one imports anywhere, functions included."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name} imports relatively; write the whole name"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def part_of(module: str) -> str | None:
    """The layered part to which a module belongs."""
    return next((p for p in HEIGHTS if module == p or module.startswith(p + ".")), None)


def is_within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


MODULES = modules()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_only_lower_lines(name: str) -> None:
    part = part_of(name)
    if part is None:
        return
    imported = {part_of(module): module for module in imports(name, MODULES[name])}

    wrong = {
        m for p, m in imported.items() if p not in (None, part) and HEIGHTS[p] >= HEIGHTS[part]
    }

    assert not wrong, f"{name} imports {sorted(wrong)}"


def test_every_module_has_its_line() -> None:
    layered = [name for name in MODULES if name.startswith("loans")]

    homeless = [n for n in layered if part_of(n) is None and n not in UNLAYERED]

    assert [n for n in homeless if not n.startswith("loans.migrations.")] == []


def test_the_exchange_code_knows_no_django() -> None:
    for name, tree in MODULES.items():
        if is_within(name, NO_DJANGO):
            assert not [m for m in imports(name, tree) if is_within(m, ("django",))], name


def test_the_paper_exchange_knows_only_the_protocol() -> None:
    for name, tree in MODULES.items():
        if is_within(name, ("loans.paper",)):
            ours = {m for m in imports(name, tree) if is_within(m, OURS)}
            assert {m for m in ours if not is_within(m, ("loans.paper", "loans.bitmart"))} <= {
                "loans"
            }, name


def test_what_starts_everything_needs_only_python() -> None:
    allowed = (*sys.stdlib_module_names, "launch")
    for name, tree in {**MODULES, "run": ast.parse((ROOT / "run.py").read_text())}.items():
        if is_within(name, ("launch", "run")):
            tops = {module.split(".")[0] for module in imports(name, tree)}
            assert tops <= set(allowed), name


def test_only_the_edges_know_what_starts_everything() -> None:
    """`launch` serves the wiring and the commands; the application does not lean on it."""
    for name, tree in MODULES.items():
        if is_within(name, ("loans",)) and not is_within(name, ("loans.management",)):
            assert not [m for m in imports(name, tree) if is_within(m, ("launch",))], name
