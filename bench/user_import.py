"""`python -m bench.user_import`: time and memory of importing users, also killed and resumed.

On a system of one process per service, as `make up` starts it. Every row has a bcrypt hash, one in ten a
second factor, one in a thousand is an admin.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from devstack.stack import Stack

from bench import report

HASH = "$2b$12$g0BXiowxzBuw1JTmLB9n/uw5d739Dm1VxXb4P2bs/KYVGBegbVEye"
_IMPORTED = re.compile(r"imported (\d+) rows")
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def write(path: Path, rows: int, domain: str) -> None:
    """Writes a file of that many users."""
    with path.open("w") as file:
        for number in range(rows):
            user = {
                "email": f"user-{number}@{domain}.example",
                "full_name": f"User Number {number}",
                "created_at": f"20{number % 20 + 5:02}-03-04T05:06:07Z",
                "role": "user" if number % 1000 else "admin",
                "email_verified": True,
                "password_hash": HASH,
                "totp_secret": None if number % 10 else SECRET,
            }
            file.write(json.dumps(user) + "\n")


def run(stack: Stack, path: Path, *, kill_at: int | None = None) -> dict[str, float]:
    """Imports a file, and kills the import when it says that at least `kill_at` rows are imported.

    Returns:
        Seconds, processor seconds, the most memory in MB, and the exit status.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "auth_service", "users", "import", str(path)],
        env=dict(stack.services["auth-service"].environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        imported = _IMPORTED.match(line)
        if kill_at is not None and imported is not None and int(imported[1]) >= kill_at:
            process.kill()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "exit_status": process.returncode,
        "seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "memory_mb": round(usage.ru_maxrss / 1024, 1),
    }


def measure(stack: Stack, folder: Path, rows: int) -> dict[str, object]:
    """Imports a file, imports it again, and kills and resumes the import of another one."""
    whole, killed = folder / "whole.jsonl", folder / "killed.jsonl"
    write(whole, rows, "whole")
    write(killed, rows, "killed")
    return {
        "rows": rows,
        "megabytes": round(whole.stat().st_size / 1e6, 1),
        "import": run(stack, whole),
        "again": run(stack, whole),
        "killed": run(stack, killed, kill_at=rows // 2),
        "resumed": run(stack, killed),
    }


def main() -> None:
    """Measures and prints JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.user_import", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--keep", metavar="NAME", help="write raw results to bench/results/NAME.json")
    wanted = parser.parse_args()
    machine = report.machine()
    environment = {"PATH": os.environ["PATH"], "LOG_FORMAT": "json"}
    with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as folder:
        Path(folder).chmod(0o755)
        with Stack(Path(folder) / "stack", environment) as stack:
            results = {"machine": machine, **measure(stack, Path(folder), wanted.rows)}
    print(json.dumps(results, indent=2))
    if wanted.keep:
        print(f"raw results: {report.keep(wanted.keep, results)}")


if __name__ == "__main__":
    main()
