"""What this project promises about its own text: settings, locks, migrations, money, templates."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent
CODE = sorted(p for d in ("loans", "marginsite", "launch") for p in (ROOT / d).rglob("*.py"))
MONEY_CODE = sorted((ROOT / "loans").rglob("*.py"))
# A name that begins with an underscore is a piece of a page, never swapped by itself.
PARTIALS = sorted((ROOT / "templates" / "loans" / "partials").rglob("[!_]*.html"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
LOCKS = ("requirements.lock", "requirements-test.lock", "launch/installer.lock")
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
# Read by other programs, or by nobody but the machine that tests.
NOT_OURS = {
    "CI",
    "DJANGO_SETTINGS_MODULE",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "TEST_WITHOUT_ENV_FILE",
    "XDG_RUNTIME_DIR",
}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def variables_read() -> set[str]:
    """Every environment variable that the code asks for by its literal name."""
    readers = ("env", "environ", "environment", "os.environ", "config.environment")
    names = set()
    for path in [*CODE, ROOT / "tests" / "servers.py"]:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and node.args:
                called, first = ast.unparse(node.func), node.args[0]
                owner = called.rpartition(".")[0]
                is_reader = called.endswith("_setting") or owner in readers
                if called == "_port" and len(node.args) > 1:
                    is_reader, first = True, node.args[1]
                if is_reader and isinstance(first, ast.Constant) and isinstance(first.value, str):
                    names.add(first.value)
    return {name for name in names if re.fullmatch(r"[A-Z][A-Z_]+", name)} - NOT_OURS


def test_every_setting_stands_in_the_example_and_nothing_else() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    shown = set(re.findall(r"^# ([A-Z][A-Z_]+)=", text, flags=re.MULTILINE))
    made_in_the_secrets_file = {"SECRET_KEY", "CREDENTIAL_KEYS", "FINGERPRINT_PEPPER"}

    assert shown == variables_read() | made_in_the_secrets_file


def test_the_example_changes_nothing_until_it_is_edited() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")

    assert [line for line in text.splitlines() if line and not line.startswith("#")] == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_exact_versions_with_hashes_and_no_place(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=\S)", text.strip())

    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("    --hash=", ""), flags=re.MULTILINE)
    for block in blocks:
        assert re.match(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,._-]+\])?==\S+ ", block), block[:60]
        assert "--hash=sha256:" in block, block[:60]


def locked(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]+\])?==(\S+)", text, flags=re.MULTILINE))


def test_the_locks_hold_what_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = [*project["project"]["dependencies"], *project["dependency-groups"]["test"]]
    pattern = r"([A-Za-z0-9._-]+)(?:\[[^\]]+\])?==([^;\s]+)"
    pairs = [re.match(pattern, requirement).groups() for requirement in declared]

    tests = locked("requirements-test.lock")

    assert {(name.lower(), version) for name, version in pairs} <= set(tests.items())


def test_the_tests_run_on_the_versions_that_are_shipped() -> None:
    assert locked("requirements.lock").items() <= locked("requirements-test.lock").items()


@pytest.mark.django_db
def test_the_migrations_are_complete(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("makemigrations", "--check", "--dry-run")


@pytest.mark.parametrize("path", MONEY_CODE, ids=relative)
def test_there_is_no_float_where_money_is(path: Path) -> None:
    tree = parsed(path)
    refusals = {  # asking whether something is one, in order to refuse it
        id(node.args[1])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance"
    }
    for node in ast.walk(tree):
        literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
        named = isinstance(node, ast.Name) and node.id == "float" and id(node) not in refusals
        assert not literal, f"{relative(path)}:{node.lineno} has a float literal"
        assert not named, f"{relative(path)}:{node.lineno} speaks of float"


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_a_module_says_what_it_is_for_and_stays_short(path: Path) -> None:
    if path.stat().st_size == 0 or "migrations" in path.parts:
        return
    tree, text = parsed(path), path.read_text(encoding="utf-8")

    assert ast.get_docstring(tree), "its first lines do not say what it is for"
    assert len(text.splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_every_function_is_annotated_and_short(path: Path) -> None:
    for node in [] if "migrations" in path.parts else ast.walk(parsed(path)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        where = f"{relative(path)}:{node.lineno} {node.name}"
        every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        bare = [a.arg for a in every if a.annotation is None and a.arg not in ("self", "cls")]
        assert not bare, f"{where} leaves {bare} without a type"
        assert node.returns is not None, f"{where} does not say what it answers"
        assert node.end_lineno - node.lineno < LONGEST_FUNCTION, f"{where} is too long"


class Roots(HTMLParser):
    """Collects the elements that stand at the top of a fragment."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0
        self.roots: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.depth == 0:
            self.roots.append(dict(attrs))
        self.depth += tag not in VOID

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag not in VOID

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self.depth == 0:
            self.roots.append(dict(attrs))


@pytest.mark.parametrize("path", PARTIALS, ids=relative)
def test_a_partial_has_one_root_that_carries_its_name(path: Path) -> None:
    text = re.sub(r"\{%.*?%\}|\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    roots = Roots()
    roots.feed(text)

    assert len(roots.roots) == 1
    identity = roots.roots[0].get("id") or ""
    assert re.sub(r"-?\{\{.*?\}\}", "", identity) == path.stem.replace("_", "-")


@pytest.mark.parametrize("path", TEMPLATES, ids=relative)
def test_a_template_keeps_the_content_security_policy(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert not re.search(r"<script(?![^>]*\ssrc=)[^>]*>", text), "it has a script of its own"
    assert not re.search(r"<style\b|\sstyle=|\son[a-z]+=|\shx-on", text), (
        "it has inline style or code"
    )
    assert "|safe" not in text


def test_the_text_is_formatted_and_clean() -> None:
    for command in (["check"], ["format", "--check"]):
        outcome = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert outcome.returncode == 0, outcome.stdout


def test_the_entry_of_the_test_machine_can_be_executed() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
