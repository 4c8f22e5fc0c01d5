"""Use cases are components, as docs/development.md says."""

import ast
from collections.abc import Iterator

from tests.tidy import tree


def test_use_cases_are_components() -> None:
    """But for those that keep something between calls, in a field of their own."""
    others = {f"{source}:{case.name}" for source, case in _frozen() if not _keeps_something(case)}

    assert set() == others
    assert any(_frozen()), "there is none that keeps something; look for another sign"


def _frozen() -> Iterator[tuple[tree.Source, ast.ClassDef]]:
    """Gives each frozen dataclass that is called."""
    for source in tree.product():
        if "/usecases/" not in source.path:
            continue
        for node in source.tree.body:
            if isinstance(node, ast.ClassDef) and _is_frozen(node) and _is_called(node):
                yield source, node


def _is_frozen(case: ast.ClassDef) -> bool:
    return any("frozen=True" in ast.unparse(decorator) for decorator in case.decorator_list)


def _is_called(case: ast.ClassDef) -> bool:
    return any(isinstance(each, ast.AsyncFunctionDef) and each.name == "__call__" for each in case.body)


def _keeps_something(case: ast.ClassDef) -> bool:
    return any(
        isinstance(each, ast.AnnAssign) and each.value is not None and "default_factory" in ast.unparse(each)
        for each in case.body
    )
