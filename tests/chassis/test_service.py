"""`chassis.service`: what a service's command line does."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chassis.service import Schema, Service, Start
from chassis.settings import ServiceSettings

OWN = """
def main(arguments):
    print("counted", *arguments)
    return 3
"""


@pytest.fixture(name="package")
def _package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package `stock_service` with one command of its own."""
    commands = tmp_path / "stock_service" / "commands"
    commands.mkdir(parents=True)
    (commands.parent / "__init__.py").touch()
    (commands / "__init__.py").touch()
    (commands / "count_items.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "stock_service"
    for name in [name for name in sys.modules if name.partition(".")[0] == "stock_service"]:
        del sys.modules[name]


def _never() -> Start[ServiceSettings]:
    raise AssertionError("a command does not import what serving needs")


STOCK = Service("stock-service", ServiceSettings, _never, schema=Schema("stock"))


def _status_of(service: Service[ServiceSettings], *arguments: str) -> object:
    with pytest.raises(SystemExit) as end:
        service.main(arguments)
    return end.value.code


@pytest.mark.usefixtures("package")
def test_a_module_of_commands_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    """It gets the arguments after its name, and its result is the exit status."""
    assert _status_of(STOCK, "count-items", "--all") == 3
    assert capsys.readouterr().out == "counted --all\n"


@pytest.mark.usefixtures("package")
def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` lists what the service can do, and an unknown command is refused with the same list."""
    assert _status_of(STOCK, "--help") == 0
    usage = capsys.readouterr().out.strip()
    assert usage.splitlines()[0] == "usage: python -m stock_service [migrate | provision | count-items]"
    assert _status_of(STOCK, "sell") == 2
    assert capsys.readouterr().err.strip() == f"there is no command 'sell'\n{usage}"


@pytest.mark.usefixtures("package")
def test_only_what_a_service_has_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a schema there is nothing to migrate, without events there are no dead letters."""
    bare = Service("stock-service", ServiceSettings, _never)

    assert _status_of(STOCK, "events", "list") == 2
    for command in ("migrate", "provision", "events"):
        capsys.readouterr()
        assert _status_of(bare, command) == 2
        assert capsys.readouterr().err.splitlines()[1] == "usage: python -m stock_service [count-items]"


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("command", ["migrate", "provision"])
def test_a_job_without_its_settings_is_not_tried_again(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit status says that a setting is wrong, and the message names it."""
    monkeypatch.delenv("MIGRATION_POSTGRES_URL", raising=False)
    monkeypatch.delenv("ADMIN_POSTGRES_URL", raising=False)

    assert _status_of(STOCK, command) == 78
    assert "POSTGRES_URL is not set" in capsys.readouterr().err


def test_names_follow_from_the_service_and_its_schema() -> None:
    """Package, roles and schema need no table of their own."""
    assert (STOCK.package, STOCK.schema) == ("stock_service", Schema("stock"))
    assert Schema("stock").owner == "stock_owner"
