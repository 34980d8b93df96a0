"""The rules of the house that no linter holds; what imports what stands in pyproject.toml."""

import ast
import importlib
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path
from sys import stdlib_module_names
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]

# A path of the machine that somebody worked on.
MACHINE_PATH = re.compile(r"(?<![\w.-])/(?:work|tmp|root)\b|\.\./shared\b")


def requirements(file: str) -> list[Requirement]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


REQUIREMENTS = requirements("requirements.txt")
REQUIREMENTS_DEV = requirements("requirements-dev.txt")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / "retina").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file; `from a import b` may mean a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in MODULES else str(node.module)


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def test_rooms_and_files_stay_small() -> None:
    folders = Counter(path.parent for path in MODULES.values())
    assert {folder.name: count for folder, count in folders.items() if count > 15} == {}
    lines = {name: path.read_text("utf-8").count("\n") for name, path in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > 400} == {}


def test_a_public_name_is_defined_once() -> None:
    homes: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        if room(module) == "cli":  # each command has HELP, add_flags and run
            continue
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            for name in defined(statement):
                homes.setdefault(name, []).append(module)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def defined(statement: ast.stmt) -> Iterator[str]:
    """The public names that a statement of a module defines."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            names = [name]
        case ast.Assign(targets=[ast.Tuple(elts=elements)]):
            names = [each.id for each in elements if isinstance(each, ast.Name)]
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            names = [name]
        case _:
            names = []
    yield from (name for name in names if not name.startswith("_"))


def test_the_package_imports_only_what_it_requires() -> None:
    extras = [Requirement(line) for lines in EXTRAS.values() for line in lines]
    required = {canonicalize_name(requirement.name) for requirement in REQUIREMENTS + extras}
    distributions = packages_distributions()
    for module, path in MODULES.items():
        for library in {name.split(".")[0] for name in imports(path)}:
            if library == "retina" or library in stdlib_module_names:
                continue
            names = {canonicalize_name(name) for name in distributions.get(library, [])}
            assert names & required, f"{module} imports {library}: add it to requirements.txt"


@pytest.mark.parametrize("requirement", REQUIREMENTS + REQUIREMENTS_DEV, ids=str)
def test_what_is_installed_is_what_is_required(requirement: Requirement) -> None:
    assert requirement.specifier.contains(version(requirement.name), prereleases=True)


def test_the_wheel_requires_what_the_requirements_say() -> None:
    dynamic = PROJECT["tool"]["setuptools"]["dynamic"]
    assert "dependencies" in PROJECT["project"]["dynamic"]
    assert dynamic["dependencies"] == {"file": ["requirements.txt"]}


def test_the_console_script_exists() -> None:
    module, function = PROJECT["project"]["scripts"]["retina"].split(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_no_machine_path_is_committed() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nothing says which files are tracked")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if name in ("", "tests/shared_data.py") or not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            found = MACHINE_PATH.search(content.decode("utf-8", errors="replace"))
            assert found is None, f"{name} holds the path {found}"
