"""Compiles the protos into `gen`: messages, gRPC stubs, types and the descriptor set."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).parent
OUT = HERE / "gen"
THIRD_PARTY = ["buf/validate/validate.proto"]
"""Compiled besides our own protos: no package on PyPI that is small enough for the images carries them."""
DESCRIPTOR_SET = OUT / "vestibule" / "descriptors.binpb"


class StubsBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs protoc before the wheel, editable or not, is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Generates everything again, so that nothing of a removed proto stays behind."""
        compile_protos()


def compile_protos() -> None:
    """Runs protoc over every proto.

    Raises:
        subprocess.CalledProcessError: a proto does not compile; protoc has said why.
    """
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    sources = sorted(str(path.relative_to(HERE)) for path in (HERE / "vestibule").rglob("*.proto"))
    DESCRIPTOR_SET.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc"),
            *("-I.", "-Ithird_party"),
            f"--python_out={OUT}",
            f"--grpc_python_out={OUT}",
            f"--mypy_out=quiet:{OUT}",
            f"--mypy_grpc_out=quiet,only_async:{OUT}",
            f"--descriptor_set_out={DESCRIPTOR_SET}",
            "--include_imports",
            "--include_source_info",
            *sources,
            *THIRD_PARTY,
        ],
        cwd=HERE,
        check=True,
        env={"PATH": f"{Path(sys.executable).parent}", "PYTHONPATH": ":".join(sys.path)},
    )
    for folder in [path for path in OUT.rglob("*") if path.is_dir()]:
        (folder / "__init__.py").touch()
    for package in OUT.iterdir():
        (package / "py.typed").touch()
