"""Which tests run in the same process of `make test`: those that share what takes long to start.

Three of the four processes have a stack each, and then take what is left; with fewer stacks, their tests
would end long after all others.
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

ON_THE_SECOND_STACK = tuple(f"tests/system/test_{letter}" for letter in "ijklmnopqr")
ON_THE_THIRD_STACK = ("tests/upgrades/", *(f"tests/system/test_{letter}" for letter in "stuvwxyz"))
"""Files among them that take about as long as the rest, pages included."""

LONGEST_FIRST = (*STACKS, "tests/devstack/", "tests/faults/", *OWN_STACK, TIDY, "tests/auth_service/test_")
"""The beginnings of the groups that take longest, in the order in which they start."""


class GroupScheduling(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """Sends each group to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def group(nodeid: str) -> str:
    """Returns the group of a test: a shared stack, the chart, the tidy tests, or its own file."""
    file = nodeid.partition("::")[0]
    if file.startswith("tests/chart/"):
        return CHART
    if file.startswith("tests/tidy/"):
        return TIDY
    if file.startswith(SHARED_STACK) and file not in OWN_STACK:
        return STACKS[1 * file.startswith(ON_THE_SECOND_STACK) + 2 * file.startswith(ON_THE_THIRD_STACK)]
    return file


def rank(nodeid: str) -> tuple[int, str]:
    """Returns the place of a test's group in the order of starting."""
    name = group(nodeid)
    ranks = (rank for rank, prefix in enumerate(LONGEST_FIRST) if name.startswith(prefix))
    return next(ranks, len(LONGEST_FIRST)), name
