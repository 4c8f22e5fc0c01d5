"""Each fault alone, and random pairs of them, while users use the system.

`make test-nightly` injects two, for a moment each; `make test-faults` all of them, and writes the results to
`docs/reliability.md`.
"""

import os
import random
from itertools import combinations

import pytest

from tests.faults.faults import FAULTS, LONG, together
from tests.faults.faulty_system import FaultySystem

pytestmark = pytest.mark.nightly

SECONDS = 4.0 if LONG else 1.5
SHORT = ("auth-service killed", "redis killed")
PAIRS = 12 if LONG else 0
SEED = int(os.environ.get("FAULTS_SEED", random.randrange(1_000_000)))


@pytest.mark.parametrize("name", FAULTS if LONG else SHORT)
def test_alone(faulty: FaultySystem, name: str) -> None:
    """No acknowledged change is lost, no revoked token is accepted, and no user is signed out."""
    outcome = faulty.run_fault(name, FAULTS[name], SECONDS)

    assert not outcome.broken


@pytest.mark.parametrize("number", range(PAIRS))
def test_in_pairs(faulty: FaultySystem, number: int) -> None:
    """Two at once, chosen by a seed: FAULTS_SEED repeats the choice."""
    pairs = list(combinations(FAULTS, 2))
    random.Random(SEED).shuffle(pairs)
    first, second = pairs[number]

    outcome = faulty.run_fault(f"{first}, and {second}", together(FAULTS[first], FAULTS[second]), SECONDS)

    assert not outcome.broken, f"FAULTS_SEED={SEED}"
