"""`make release`: writes into `dist/<version>` what a release hands out, and keeps its commit.

python -m release            what `make release` runs
python -m release version X  writes a version everywhere
"""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from release import contents, versions


def main(arguments: list[str]) -> None:
    """Runs what the command line asks for."""
    if arguments[:1] == ["version"] and len(arguments) == 2:  # noqa: PLR2004 - command and version
        versions.write(arguments[1])
        print(f"version {arguments[1]} is written; run `make lock` and `make docs`")
        return
    if arguments:
        sys.exit("usage: python -m release [version 1.2.3]")
    version = versions.current()
    wrong = {path: found for path, found in versions.said().items() if found != {version}}
    if wrong:
        sys.exit(f"versions differ from {version}: {wrong}; run `python -m release version {version}`")
    if _git("status", "--porcelain"):
        sys.exit("the tree has changes that are not committed: a release is a commit")
    folder = versions.ROOT / "dist" / version
    _write(folder, version)
    _keep(version, _git("rev-parse", "HEAD"))


def _write(folder: Path, version: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    contents.write_chart(folder, version)
    for service in contents.SERVICES:
        contents.write_bill(folder, service, version)
    contents.write_notes(folder, version)
    contents.write_checksums(folder)
    for path in sorted(folder.iterdir()):
        print(f"wrote {path.relative_to(versions.ROOT)}")


def _keep(version: str, commit: str) -> None:
    """Adds the release's row, from which the next one's upgrade is tested."""
    if any(row[0] == version for row in versions.released()):
        print(f"docs/releases.md has {version} already")
        return
    text = versions.RELEASES.read_text("utf-8")
    rule = "|---|---|---|---|\n"
    row = f"| {version} | {datetime.now(UTC):%Y-%m-%d} | `{commit}` | |\n"
    versions.RELEASES.write_text(text.replace(rule, rule + row, 1), "utf-8")
    print(f"docs/releases.md keeps {version}: commit it, and tag {commit[:7]} as v{version}")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(versions.ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main(sys.argv[1:])
