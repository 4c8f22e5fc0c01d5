"""The repository as the tidy tests read it: its Python files, parsed once, and its services."""

import ast
import functools
import gc
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_IGNORED = frozenset({"gen", "__pycache__", "node_modules", "build", "dist"})


@dataclass(frozen=True)
class Source:
    """A hand-written Python file.

    Attributes:
        path: Where it is, from the root of the repository, with slashes.
        text: What it says.
    """

    path: str
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The text, parsed; garbage, of which there is none, would be looked for longer than that takes."""
        gc.disable()
        try:
            return ast.parse(self.text)
        finally:
            gc.enable()

    @functools.cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree, from the outside to the inside."""
        return tuple(ast.walk(self.tree))

    @property
    def is_product(self) -> bool:
        """Whether it is part of a distribution, not of the tests or tools around it."""
        return "/src/" in self.path

    @property
    def package(self) -> str:
        """Its top-level package; empty outside the distributions."""
        return self.module.partition(".")[0] if self.is_product else ""

    @property
    def module(self) -> str:
        """Its dotted name as it is imported."""
        inside = self.path.split("/src/", 1)[1] if self.is_product else self.path
        return inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def __str__(self) -> str:
        return self.path


@functools.cache
def sources() -> tuple[Source, ...]:
    """Returns every hand-written Python file."""
    found = []
    for path in sorted(_python_files(ROOT)):
        text = path.read_text(encoding="utf-8")
        found.append(Source(path.relative_to(ROOT).as_posix(), text))
    return tuple(found)


def product() -> tuple[Source, ...]:
    """Returns the files of the distributions."""
    return tuple(source for source in sources() if source.is_product)


@functools.cache
def text_files() -> tuple[Path, ...]:
    """Returns every file that is, or is about to be, under version control and holds text."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    paths = (ROOT / name for name in listing.split("\0") if name)
    return tuple(path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:4096])


@functools.cache
def services() -> tuple[str, ...]:
    """Returns the names of the services: the folders whose `__main__.py` declares one."""
    mains = ROOT.glob("*/src/*/__main__.py")
    return tuple(sorted(main.parents[2].name for main in mains if "\nservice = Service(" in main.read_text()))


def package_of(service: str) -> str:
    """Returns the Python package of a service."""
    return service.replace("-", "_")


@functools.cache
def settings_of(folder: str) -> dict[str, Any]:
    """Returns the `pyproject.toml` of a folder."""
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yields every function and method of a file."""
    for node in source.nodes:
        if isinstance(node, _FUNCTIONS):
            yield node


@functools.cache
def texts(source: Source) -> tuple[tuple[int, str], ...]:
    """Returns the string literals of a file that are not docstrings, each with its line."""
    docstrings = {id(node.value) for node in source.nodes if isinstance(node, ast.Expr)}
    return tuple(
        (node.lineno, node.value)
        for node in source.nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    )


@functools.cache
def imports(source: Source) -> frozenset[str]:
    """Returns the dotted names that a file imports; for `from a import b` both `a` and `a.b`."""
    found: set[str] = set()
    for node in source.nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def _python_files(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.is_dir():
            if not entry.name.startswith(".") and entry.name not in _IGNORED:
                yield from _python_files(entry)
        elif entry.suffix == ".py":
            yield entry
