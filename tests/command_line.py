"""The command line of a service in this process: quicker than one of its own."""

import io
import os
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from unittest.mock import patch

import pytest


def ran(package: str, environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """Runs a command, or a start whose settings are refused; returns the exit status and what was written."""
    service = import_module(f"{package}.__main__").service
    said = io.StringIO()
    with (
        patch.dict(os.environ, environment, clear=True),
        redirect_stdout(said),
        redirect_stderr(said),
        pytest.raises(SystemExit) as end,
    ):
        service.main(arguments)
    return int(end.value.code), said.getvalue()
