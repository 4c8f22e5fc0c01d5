"""Every file is used."""

from tests.tidy import tree

ENTRANCES = {
    "__main__": "started by `python -m`",
    "__init__": "the package itself",
    "env": "found by Alembic",
    "conftest": "found by pytest",
}


def test_every_module_is_imported() -> None:
    """A module of a distribution is needed by a distribution: tests alone do not keep it alive.

    Commands are found by `chassis.service`, by the name of their file.
    """
    imported = {name for source in tree.product() for name in tree.imports(source)}
    dead = {
        str(source)
        for source in tree.product()
        if source.path.rpartition("/")[2].removesuffix(".py") not in ENTRANCES
        and "/migrations/" not in source.path
        and "/commands/" not in source.path
        and source.module not in imported
    }

    assert set() == dead


def test_every_part_of_the_tests_is_used() -> None:
    """What tests share is shared: a fake or builder without a test goes."""
    tests = [source for source in tree.sources() if source.path.startswith("tests/")]
    imported = {name for source in tests for name in tree.imports(source)}
    dead = {
        str(source)
        for source in tests
        if (stem := source.path.rpartition("/")[2].removesuffix(".py")) not in ENTRANCES
        and not stem.startswith("test_")
        and source.module not in imported
        and f"tests.{source.module}" not in imported
        and source.module.removeprefix("tests.") not in imported
        and not _is_run_as_a_program(source, tests)
    }

    assert set() == dead


def test_every_package_is_a_package() -> None:
    """Every folder of modules in a distribution has an `__init__.py`, so that tools see it."""
    folders = {source.path.rpartition("/")[0] for source in tree.product()}
    bare = {folder for folder in folders if not (tree.ROOT / folder / "__init__.py").is_file()}

    assert set() == {
        folder for folder in bare if not {"migrations", "alembic_environment"} & set(folder.split("/"))
    }


def _is_run_as_a_program(source: tree.Source, tests: list[tree.Source]) -> bool:
    """Whether a test names the file as a program to start."""
    name = source.path.rpartition("/")[2]
    return any(
        name in text or source.module == text
        for other in tests
        if other is not source
        for _, text in tree.texts(other)
    )
