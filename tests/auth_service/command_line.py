"""`python -m auth_service` as a process of its own."""

import asyncio
import io
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from unittest.mock import patch

from auth_service.__main__ import service

Environment = dict[str, str]


@asynccontextmanager
async def process(environment: Environment, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs it until the end of the block, and ends it if it still runs then."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "auth_service", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
            await running.communicate()


async def output_of(environment: Environment, *arguments: str) -> tuple[int | None, str]:
    """Runs it to its end; returns its status and what it wrote."""
    async with process(environment, *arguments) as running:
        output, _ = await asyncio.wait_for(running.communicate(), 30)
        return running.returncode, output.decode()


async def ran(environment: Environment, *arguments: str) -> tuple[int | None, str]:
    """Runs a command in this process, which is quicker; returns its status and what it wrote."""
    said = io.StringIO()

    def run() -> int | None:
        with (
            patch.dict(os.environ, environment, clear=True),
            redirect_stdout(said),
            redirect_stderr(said),
        ):
            try:
                service.main(arguments)
            except SystemExit as end:
                return end.code if isinstance(end.code, int) else None
        return None

    return await asyncio.to_thread(run), said.getvalue()
