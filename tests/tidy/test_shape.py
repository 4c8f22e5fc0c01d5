"""The shape of files: short, introduced, well named and finished."""

import ast
import re

from tests.tidy import tree

LINES_OF_A_FILE_MAX = 300
LINES_OF_A_FUNCTION_MAX = 70

LONG_FILES: dict[str, str] = {}
"""Files that may be longer, each with the reason."""

LONG_FUNCTIONS: dict[str, str] = {}
"""Functions (`path:name`) that may be longer, each with the reason."""

NAMED_FUNCTION_LINES = 60
"""Functions of the product that are at least as long are on the page, with the reason."""

PAGE = "docs/development.md"

FORBIDDEN_WORDS = frozenset(
    {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc", "shared", "stuff"}
)


def test_files_are_short() -> None:
    """A file that no longer fits the head is cut in two before it grows on."""
    long = {
        f"{source}: {lines} lines"
        for source in tree.sources()
        if (lines := source.text.count("\n")) > LINES_OF_A_FILE_MAX and source.path not in LONG_FILES
    }

    assert set() == long


def test_functions_are_short() -> None:
    """A function fits a screen."""
    long = {
        f"{source}:{function.name}: {lines} lines"
        for source in tree.sources()
        for function in tree.functions(source)
        if (lines := _length(function)) > LINES_OF_A_FUNCTION_MAX
        and f"{source}:{function.name}" not in LONG_FUNCTIONS
    }

    assert set() == long


def test_long_functions_are_explained() -> None:
    """The page says why each is one idea; what has become shorter leaves it."""
    long = {
        f"{source}:{function.name}"
        for source in tree.product()
        for function in tree.functions(source)
        if _length(function) >= NAMED_FUNCTION_LINES
    }
    explained = set(re.findall(r"^\| `(\S+\.py:\w+)` \|", _page(), re.MULTILINE))

    assert long == explained, f"bring the table in {PAGE} up to date"


def test_sizes_on_the_page_are_about_right() -> None:
    """Files and lines per folder, to a tenth."""
    rows = re.findall(r"^\| `([\w-]+)` \|.*\| ([\d,]+) \| ([\d,]+) \|$", _page(), re.MULTILINE)
    wrong = {}
    for folder, *written in rows:
        texts = [source.text for source in tree.sources() if source.path.startswith(f"{folder}/")]
        counted = (len(texts), sum(text.count("\n") for text in texts))
        said = [int(number.replace(",", "")) for number in written]
        if any(abs(now - then) > now / 10 for now, then in zip(counted, said, strict=True)):
            wrong[folder] = counted

    assert rows
    assert wrong == {}, f"bring the table in {PAGE} up to date"


def test_exceptions_are_still_needed() -> None:
    """The list of long things shrinks with the things on it."""
    paths = {source.path: source for source in tree.sources()}
    stale = {path for path in LONG_FILES if paths[path].text.count("\n") <= LINES_OF_A_FILE_MAX}
    longest = {
        f"{source}:{function.name}"
        for source in tree.sources()
        for function in tree.functions(source)
        if _length(function) > LINES_OF_A_FUNCTION_MAX
    }

    assert set() == stale | (set(LONG_FUNCTIONS) - longest)


def test_modules_are_introduced() -> None:
    """Every module opens with a sentence that says what it holds."""
    bare = {
        str(source)
        for source in tree.sources()
        if source.tree.body and not _is_introduced(ast.get_docstring(source.tree))
    }

    assert set() == bare


def test_names_say_what_a_module_is_for() -> None:
    """No module is a drawer: such names attract what belongs together with nothing."""
    drawers = {
        str(source)
        for source in tree.sources()
        if FORBIDDEN_WORDS & set(re.split(r"[/_.-]", source.path.removesuffix(".py")))
    }

    assert set() == drawers


def test_nothing_is_left_for_later() -> None:
    """What is unfinished is an issue, not a comment."""
    mark = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
    marks = {
        f"{path.relative_to(tree.ROOT)}:{number}"
        for path in tree.text_files()
        if path.suffix in {".py", ".proto", ".md", ".toml", ".yaml", ".tpl", ".sql", ".html", ""}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if mark.search(line)
    }

    assert set() == marks


def _page() -> str:
    return (tree.ROOT / PAGE).read_text(encoding="utf-8")


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _is_introduced(docstring: str | None) -> bool:
    if docstring is None:
        return False
    first = docstring.split("\n\n", 1)[0].strip()
    return first.endswith((".", ":", "?"))
