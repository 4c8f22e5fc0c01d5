"""The last line of a service that cannot start: the setting, secret or schema, and what to do."""

import os
import subprocess
import sys

import pytest
from chassis.postgres import revision
from devstack.database import Database
from devstack.ports import free_port
from devstack.topology import SERVICES, Service

from chassis import exits
from tests.command_line import ran
from tests.fakes.service_keys import key_settings

SECRETS = {
    "AUTH_MASTER_KEY": "A" * 43 + "=",
    "KNOWLEDGE_MASTER_KEY": "A" * 43 + "=",
}
OWNING = [service for service in SERVICES if service.schema is not None]
STRICT = [service for service in OWNING if service.name != "health-aggregator"]
"""The aggregator starts without its database, since it reports that Postgres is away."""


@pytest.fixture(name="needed")
def _needed() -> dict[str, dict[str, str]]:
    """The settings that each service needs, except its secrets, on free ports."""
    needed = {}
    for service in SERVICES:
        listening = ("HTTP_PORT", "GRPC_PORT") if service.grpc_port else ("PORT",)
        needed[service.name] = {
            **key_settings(service.name),
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "TOKEN_ISSUER": "http://issuer.test",
            "AUTH_ISSUER": "http://issuer.test",
            "AUTH_USERS_ADDRESS": "127.0.0.1:1",
            "USERS_AUTH_ADDRESS": "127.0.0.1:1",
            "KNOWLEDGE_AUTH_ADDRESS": "127.0.0.1:1",
            "KNOWLEDGE_USERS_ADDRESS": "127.0.0.1:1",
            "VOICE_AUTH_ADDRESS": "127.0.0.1:1",
            "VOICE_TRANSCRIBER": "local",
            "VOICE_SYNTHESIZER": "local",
            "GATEWAY_UPSTREAMS": '{"vestibule.auth.v1": {"address": "127.0.0.1:1"}}',
            f"{service.prefix}_POSTGRES_URL": "postgresql://127.0.0.1:1/x",
            **{f"{service.prefix}_{name}": str(free_port()) for name in listening},
        }
    return needed


def run(module: str, settings: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Runs a service as its image does; returns the status and the last line of output."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={"PATH": os.environ["PATH"], **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_missing_secret_is_named(service: Service, needed: dict[str, dict[str, str]]) -> None:
    """A service without its key says so, and how to make one."""
    settings = {name: value for name, value in needed[service.name].items() if name != "SERVICE_KEY_FILE"}

    status, said = ran(service.module, settings | SECRETS)

    assert status == 1
    assert said.startswith("SERVICE_KEY_FILE is not set: set it.")
    assert "openssl" in said


def test_missing_master_key_is_named(needed: dict[str, dict[str, str]]) -> None:
    """auth-service says so too, about the key that encrypts the signing keys."""
    status, said = ran("auth_service", needed["auth-service"])

    assert status == 1
    assert said.startswith("AUTH_MASTER_KEY is not set: set it.")
    assert "openssl rand -base64 32" in said


@pytest.mark.parametrize("service", STRICT, ids=lambda service: service.name)
def test_wrong_database_password_is_reported(
    service: Service, needed: dict[str, dict[str, str]], empty_database: str
) -> None:
    """The line has Postgres' address and no password."""
    assert service.schema is not None
    database = Database(empty_database, {service.schema.runtime: "not-the-password"})
    url = {f"{service.prefix}_POSTGRES_URL": database.url(service.schema.runtime)}

    status, line = run(service.module, needed[service.name] | SECRETS | url)

    assert status == 1
    assert "refused the connection: password authentication failed" in line
    assert "correct the URL or provision it" in line
    assert "not-the-password" not in line


@pytest.mark.parametrize("service", STRICT, ids=lambda service: service.name)
async def test_schema_behind_the_image_is_reported(
    service: Service, needed: dict[str, dict[str, str]], empty_database: str
) -> None:
    """The line has the schema's revision, the image's and the command."""
    assert service.schema is not None
    database = Database(empty_database, {role: f"{role}-password" for role in Database.role_names()})
    await database.provision()
    url = {f"{service.prefix}_POSTGRES_URL": database.url(service.schema.runtime)}

    status, line = run(service.module, needed[service.name] | SECRETS | url)

    assert status == 1
    head = revision.head(service.module)
    expected = f"schema `{service.schema.name}` is empty, this binary needs {head}"
    assert expected in line
    assert f"run `python -m {service.module} migrate`" in line


@pytest.mark.parametrize("service", OWNING, ids=lambda service: service.name)
def test_jobs_provision_and_migrate(service: Service, empty_database: str) -> None:
    """The chart's two jobs make a schema that is up to date."""
    assert service.schema is not None
    schema = service.schema
    provision = {
        f"{service.prefix}_ADMIN_POSTGRES_URL": empty_database,
        f"{service.prefix}_OWNER_PASSWORD": f"{schema.owner}-password",
        f"{service.prefix}_RUNTIME_PASSWORD": f"{schema.runtime}-password",
    }
    database = Database(empty_database, {schema.owner: f"{schema.owner}-password"})
    migrate = {f"{service.prefix}_MIGRATION_POSTGRES_URL": database.url(schema.owner)}

    expected = f"schema {schema.name} belongs to {schema.owner} and serves {schema.runtime}"
    assert ran(service.module, provision, "provision") == (0, f"{expected}\n")
    status, said = ran(service.module, migrate, "migrate")
    assert status == 0
    assert said.endswith(f"schema {schema.name} is at {revision.head(service.module)}\n")


def test_provisioning_says_what_is_wrong(empty_database: str) -> None:
    """Without a role that may create roles the job says what the URL must name, and is not retried."""
    status, line = run("user_service", {}, "provision")
    assert status == exits.CONFIG
    assert line.startswith("USERS_RUNTIME_PASSWORD is not set")

    wrong = Database(empty_database, {"stranger": "x"}).url("stranger")
    passwords = {"USERS_OWNER_PASSWORD": "o", "USERS_RUNTIME_PASSWORD": "r"}
    status, line = run("user_service", {"USERS_ADMIN_POSTGRES_URL": wrong, **passwords}, "provision")
    assert status == exits.CONFIG
    assert "may create roles and schemas" in line


def test_failed_migration_is_reported(empty_database: str) -> None:
    """A migration that Postgres refuses ends the job for good, with the schema and the reason."""
    wrong = Database(empty_database, {"stranger": "x"}).url("stranger")

    status, line = run("auth_service", {"AUTH_MIGRATION_POSTGRES_URL": wrong}, "migrate")

    assert status == exits.CONFIG
    assert line.startswith("migrate auth: Postgres at")
