"""A Postgres cluster with the schema of every service, made once and copied for each server that tests start.

It is kept in pytest's cache until anything changes that it is made from.
"""

import asyncio
import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

import asyncpg
from devstack.database import Database
from devstack.postgres import Postgres
from devstack.topology import SERVICES

ROOT = Path(__file__).parents[1]
TEMPLATE = "migrated"
"""A database with the same schemas as `postgres`; without connections, as copying it requires."""

PASSWORDS = {role: f"{role}-password" for role in Database.role_names()}
"""The services' roles in the cluster, with their passwords."""

UNFLUSHED = {"fsync": "off", "full_page_writes": "off"}
"""Settings of servers that may be killed, but whose machine keeps its power."""

_MADE_FROM = (
    "*/src/*/migrations/**/*.py",
    "chassis/src/chassis/postgres/*.py",
    "devstack/src/devstack/*.py",
    "tests/migrated_cluster.py",
    "uv.lock",
)


def copy_into(folder: Path, cache: Path) -> None:
    """Copies the cluster into a server's folder, from where `Postgres` goes on with it.

    Args:
        folder: The server's folder; made if missing.
        cache: Where the cluster is kept.
    """
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cluster = cache / _fingerprint()
        if not cluster.exists():
            for outdated in cache.glob("*/"):
                shutil.rmtree(outdated)
            asyncio.run(_make(cache / "unfinished"))
            (cache / "unfinished").rename(cluster)
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--archive", "--reflink=auto", f"{cluster}/.", str(folder)], check=True)


async def _make(folder: Path) -> None:
    server = Postgres(folder, settings=UNFLUSHED)
    server.start()
    try:
        database = Database(server.url(), PASSWORDS)
        await database.provision()
        for service in SERVICES:
            if service.schema is not None:
                await database.migrate(service)
        admin = await asyncpg.connect(server.url(database="template1"))
        await admin.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE postgres STRATEGY file_copy")
        await admin.close()
    finally:
        server.stop()


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _MADE_FROM for path in ROOT.glob(pattern)):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
