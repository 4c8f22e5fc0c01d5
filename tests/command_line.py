"""The command line of a service in this process: quicker than one of its own."""

import io
import os
import subprocess
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from unittest.mock import patch

import pytest


def completed(
    package: str, environment: Mapping[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Runs a command, or a start whose settings are refused."""
    service = import_module(f"{package}.__main__").service
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, environment, clear=True),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        service.main(arguments)
    assert isinstance(end.value.code, int)
    return subprocess.CompletedProcess(arguments, end.value.code, out.getvalue(), err.getvalue())


def ran(package: str, environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """Does the same; returns the exit status and all that was written."""
    done = completed(package, environment, *arguments)
    return done.returncode, done.stdout + done.stderr
