"""What surrounds a service is wrong: the last line that it writes is enough to mend it."""

import asyncio
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from devstack.database import Database
from devstack.ports import free_port
from devstack.postgres import Postgres

from chassis import exits
from tests.auth_service.command_line import Environment, output_of, process, ran


def last(output: str) -> str:
    """Returns the last line."""
    return output.strip().splitlines()[-1]


def with_password(url: str, password: str) -> str:
    """Returns a URL with another password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{password}@{parts.hostname}:{parts.port}"))


def at_port(url: str, port: int) -> str:
    """Returns a URL that leads to another port of this machine."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))


async def test_job_ends_at_once_on_a_wrong_password(emptied_database: Database) -> None:
    """No attempt mends it: the job says so by its status, and names whom Postgres refused."""
    url = with_password(emptied_database.url("auth_owner"), "wrong-password")
    status, output = await ran({"AUTH_MIGRATION_POSTGRES_URL": url}, "migrate")

    assert status == exits.CONFIG
    assert re.search(r"refused the connection: .*auth_owner.*; correct the URL or provision it", last(output))
    assert "wrong-password" not in output


async def test_job_ends_at_once_without_its_settings() -> None:
    """A secret that is not there is named by its variable."""
    status, output = await ran({}, "migrate")

    assert status == exits.CONFIG
    assert last(output).startswith("AUTH_MIGRATION_POSTGRES_URL is not set: set it.")

    status, output = await ran({}, "provision")
    assert status == exits.CONFIG
    assert "AUTH_ADMIN_POSTGRES_URL is not set" in output


async def test_job_ends_at_once_on_a_database_that_is_not_there(emptied_database: Database) -> None:
    """A name that Postgres does not know is no outage."""
    url = urlunsplit(urlsplit(emptied_database.url("auth_owner"))._replace(path="/nowhere"))
    status, output = await ran({"AUTH_MIGRATION_POSTGRES_URL": url}, "migrate")

    assert status == exits.CONFIG
    assert 'database "nowhere" does not exist' in last(output)


async def test_provisioning_may_be_tried_again_while_postgres_is_away(emptied_database: Database) -> None:
    """It is not there yet: another attempt may find it."""
    environment = {
        "AUTH_ADMIN_POSTGRES_URL": at_port(emptied_database.url("auth_owner"), free_port()),
        "AUTH_OWNER_PASSWORD": "an-owners-password",
        "AUTH_RUNTIME_PASSWORD": "a-runtime-password",
    }
    status, output = await ran(environment, "provision")

    assert status == exits.TRANSIENT
    assert "provision auth: " in last(output)
    assert "password" not in last(output)


async def test_provisioning_ends_at_once_without_the_right(emptied_database: Database) -> None:
    """A role that may not make roles will not in the next attempt either."""
    environment = {
        "AUTH_ADMIN_POSTGRES_URL": emptied_database.url("auth_service"),
        "AUTH_OWNER_PASSWORD": "an-owners-password",
        "AUTH_RUNTIME_PASSWORD": "a-runtime-password",
    }
    status, output = await ran(environment, "provision")

    assert status == exits.CONFIG
    assert "a role that may create roles" in last(output)


@pytest.mark.nightly
async def test_service_names_the_postgres_that_is_away(environment: Environment) -> None:
    """Host, port and database, without the password; then it ends, for Kubernetes to try again."""
    port = free_port()
    environment["AUTH_POSTGRES_URL"] = at_port(environment["AUTH_POSTGRES_URL"], port)
    status, output = await output_of(environment)

    assert status == 1
    assert re.search(
        rf"cannot start: Postgres at 127.0.0.1:{port}/\S+ did not answer within 15 s; start it", last(output)
    )


@pytest.mark.nightly
async def test_service_serves_on_a_redis_that_refuses(environment: Environment) -> None:
    """It needs no Redis to serve; what Redis said is in the log, once, with what to do."""
    async with refusing_redis() as port:
        environment["REDIS_URL"] = f"redis://vestibule:of-no-use@127.0.0.1:{port}/0"
        async with process(environment) as running:
            assert running.stdout is not None
            output = ""
            while "outbox relay stalled" not in output:
                line = await asyncio.wait_for(running.stdout.readline(), 60)
                assert line, output
                output += line.decode()
            await asyncio.sleep(3)  # for several more attempts
            assert running.returncode is None
            running.terminate()
            output += (await asyncio.wait_for(running.communicate(), 60))[0].decode()

    lines = [line for line in output.splitlines() if "outbox relay stalled" in line]
    assert len(lines) == 1, "begin and end of an outage are logged, not each attempt"
    assert "correct the user and the password in REDIS_URL" in lines[0]
    assert output.count("outbox relay leads") <= 1
    assert "of-no-use" not in output


@pytest.mark.nightly
async def test_service_outlives_a_change_of_its_password(
    environment: Environment, emptied_database: Database, postgres: Postgres
) -> None:
    """Its connections end before it has the new one, as they do when the runbook is followed."""
    role = f"rotated_{uuid4().hex[:8]}"
    admin = await asyncpg.connect(postgres.url())
    await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'the-first-one' IN ROLE auth_service")
    host = urlsplit(emptied_database.url("auth_service")).netloc.rpartition("@")[2]
    path = urlsplit(emptied_database.url("auth_service")).path
    environment["AUTH_POSTGRES_URL"] = f"postgresql://{role}:the-first-one@{host}{path}"
    output = ""
    async with process(environment) as running:
        assert running.stdout is not None
        while '"serving"' not in output:
            line = await asyncio.wait_for(running.stdout.readline(), 60)
            assert line, output
            output += line.decode()
        await admin.execute(f"ALTER ROLE {role} PASSWORD 'the-second-one'")
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", role)
        await asyncio.sleep(8)  # for several attempts of everything that uses Postgres
        assert running.returncode is None
        running.terminate()
        output += (await asyncio.wait_for(running.communicate(), 60))[0].decode()
    await admin.execute(f"DROP ROLE {role}")
    await admin.close()

    assert running.returncode == 0, output
    assert "Postgres: InvalidPasswordError" in output
    assert "the-first-one" not in output


class refusing_redis:  # noqa: N801 - used like a function
    """A Redis without users."""

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._refuse, "127.0.0.1", 0, family=socket.AF_INET)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(b"-WRONGPASS invalid username-password pair or user is disabled.\r\n")
            await writer.drain()
        writer.close()


async def test_service_refuses_a_file_of_breached_passwords_that_it_cannot_use(
    environment: Environment, tmp_path: Path
) -> None:
    """With the setting, the path and what is wrong: else passwords would be believed to be looked up."""
    path = tmp_path / "pwned.txt"
    environment["AUTH_BREACHED_PASSWORDS_FILE"] = str(path)
    status, output = await output_of(environment)
    assert status != 0
    assert f"AUTH_BREACHED_PASSWORDS_FILE: {path} cannot be read: No such file" in last(output)

    path.write_text(f"{'B' * 40}:1\n{'A' * 40}:1\n")
    status, output = await output_of(environment)
    assert status != 0
    assert "not in ascending order at byte 43: sort it by `LC_ALL=C sort`" in last(output)


@pytest.mark.parametrize("setting", ["SMTP_CA_FILE", "SSL_CERT_FILE"])
async def test_service_refuses_a_file_of_authorities_that_it_cannot_use(
    environment: Environment, tmp_path: Path, setting: str
) -> None:
    """With the setting and the path: else no mail would ever be sent, or OpenSSL would ignore it."""
    path = tmp_path / "ca.crt"
    environment |= {"SMTP_URL": "smtps://127.0.0.1:465", setting: str(path)}
    status, output = await output_of(environment)
    assert status != 0
    assert f"{setting} cannot be read: {path} (No such file or directory)" in last(output)

    path.write_text("nothing")
    status, output = await output_of(environment)
    assert status != 0
    assert f"{setting} {path} holds no certificate in PEM" in last(output)


async def test_service_refuses_a_service_of_breached_passwords_that_is_no_url(
    environment: Environment,
) -> None:
    """And in the strict profile one without TLS."""
    for url, why in (
        ("api.pwnedpasswords.com/range", "it is not https://host/path/"),
        ("https://user:secret@host/", "it is not https://host/path/"),
        ("https://host/range?prefix=", "neither ? nor #"),
    ):
        environment["AUTH_BREACHED_PASSWORDS_URL"] = url
        status, output = await ran(environment)
        assert status != 0
        assert "AUTH_BREACHED_PASSWORDS_URL" in output
        assert why in output
    environment |= {"AUTH_BREACHED_PASSWORDS_URL": "http://pwned.internal/", "PROFILE": "strict"}
    _, output = await ran(environment)
    assert "AUTH_BREACHED_PASSWORDS_URL is not an https:// URL" in output
