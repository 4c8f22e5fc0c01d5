"""Which tests run in the same process of `make test`: those that share what takes long to start.

Two of the four processes have a stack each, of the three of `make test-nightly` all three, and then take what
is left; with fewer stacks, their tests would end long after all others. One more costs ten seconds.
"""

from xdist.scheduler import LoadFileScheduling

STACKS = ("stack 1", "stack 2", "stack 3")
CHART, TIDY = "chart", "tidy"

SHARED_STACK = (
    "tests/system/",
    "tests/bench/",
    "tests/health_aggregator/page/test_browser.py",
    "tests/pages/",
    "tests/observability/test_boards.py",
    "tests/upgrades/test_checkout.py",
)
"""Files and folders whose tests use the `stack` fixture."""

OWN_STACK = (
    "tests/system/test_audit_witness.py",
    "tests/system/test_readme.py",
    "tests/system/test_strict_profile.py",
)
"""Files among them that start a stack of their own instead."""


def _system(letters: str) -> tuple[str, ...]:
    return tuple(f"tests/system/test_{letter}" for letter in letters)


FURTHER_STACKS = {
    "not nightly": (("tests/upgrades/", *_system("lmnopqrstuvwxyz")),),
    "nightly": (_system("ijklmnopqr"), ("tests/upgrades/", *_system("stuvwxyz"))),
}
"""By what `-m` says: files among them that take about as long as the rest, pages included."""

LONGEST_FIRST = (*STACKS, "tests/devstack/", "tests/faults/", *OWN_STACK, TIDY, "tests/auth_service/test_")
"""The beginnings of the groups that take longest, in the order in which they start."""


class GroupScheduling(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """Sends each group to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid, self.config.getoption("markexpr"))


def group(nodeid: str, marks: str) -> str:
    """Returns the group of a test: a shared stack, the chart, the tidy tests, or its own file.

    Args:
        nodeid: The test.
        marks: What `-m` says.
    """
    file = nodeid.partition("::")[0]
    if file.startswith("tests/chart/"):
        return CHART
    if file.startswith("tests/tidy/"):
        return TIDY
    if file.startswith(SHARED_STACK) and file not in OWN_STACK:
        further = zip(STACKS[1:], FURTHER_STACKS.get(marks, ()), strict=False)
        return next((name for name, files in further if file.startswith(files)), STACKS[0])
    return file


def rank(nodeid: str, marks: str) -> tuple[int, str]:
    """Returns the place of a test's group in the order of starting."""
    name = group(nodeid, marks)
    ranks = (rank for rank, prefix in enumerate(LONGEST_FIRST) if name.startswith(prefix))
    return next(ranks, len(LONGEST_FIRST)), name
