"""What attempts at calls promise, in memory and on Postgres."""

from datetime import timedelta

from auth_service.domain.idempotency import Attempt, Question
from auth_service.domain.stores import Database
from chassis.ids import uuid7

LEASE = timedelta(minutes=1)
QUESTION = Question(name=b"ada 1", fingerprint=b"asked", asker=None)


async def test_one_call_takes_a_question_up(database: Database) -> None:
    """Until it answers; then everybody is given the answer, the first one for good."""
    attempt_id = uuid7()
    async with database.statements() as stores:
        first = await stores.attempts.begin(QUESTION, attempt_id, LEASE)
        second = await stores.attempts.begin(QUESTION, uuid7(), LEASE)
        await stores.attempts.answer(QUESTION.name, b"answer")
        await stores.attempts.answer(QUESTION.name, b"another")
        await stores.attempts.release(QUESTION.name)
        third = await stores.attempts.begin(QUESTION, uuid7(), LEASE)

    assert first == Attempt(attempt_id=attempt_id, fingerprint=b"asked", is_ours=True)
    assert second == Attempt(attempt_id=attempt_id, fingerprint=b"asked")
    assert third == Attempt(attempt_id=attempt_id, fingerprint=b"asked", sealed_answer=b"answer")


async def test_what_is_released_is_taken_up_again(database: Database) -> None:
    """As the same attempt, for the same question alone; so is what nobody answered in time."""
    attempt_id = uuid7()
    other = Question(name=QUESTION.name, fingerprint=b"something else", asker=None)
    async with database.statements() as stores:
        await stores.attempts.begin(QUESTION, attempt_id, LEASE)
        await stores.attempts.release(QUESTION.name)
        refused = await stores.attempts.begin(other, uuid7(), LEASE)
        again = await stores.attempts.begin(QUESTION, uuid7(), timedelta(seconds=-1))
        late = await stores.attempts.begin(QUESTION, uuid7(), LEASE)

    assert refused == Attempt(attempt_id=attempt_id, fingerprint=b"asked")
    assert again == late == Attempt(attempt_id=attempt_id, fingerprint=b"asked", is_ours=True)


async def test_an_outcome_is_noted_once(database: Database) -> None:
    """Whoever takes the question up afterwards knows of it; an attempt that is not there has none."""
    attempt_id, outcome = uuid7(), uuid7()
    async with database.statements() as stores:
        await stores.attempts.begin(QUESTION, attempt_id, LEASE)
        assert await stores.attempts.settle(attempt_id, outcome)
        assert not await stores.attempts.settle(attempt_id, uuid7())
        assert not await stores.attempts.settle(uuid7(), outcome)
        waiting = await stores.attempts.begin(QUESTION, uuid7(), LEASE)
        await stores.attempts.release(QUESTION.name)
        again = await stores.attempts.begin(QUESTION, uuid7(), LEASE)

    assert waiting == Attempt(attempt_id=attempt_id, fingerprint=b"asked", outcome=outcome)
    assert again == Attempt(attempt_id=attempt_id, fingerprint=b"asked", outcome=outcome, is_ours=True)


async def test_erasing_a_person(database: Database) -> None:
    """Takes along what they asked and the registration that made them, nothing else."""
    ada, bob = uuid7(), uuid7()
    registering = Question(name=b"registering", fingerprint=b"", asker=None)
    asked_by_ada = Question(name=b"by ada", fingerprint=b"", asker=ada)
    asked_by_bob = Question(name=b"by bob", fingerprint=b"", asker=bob)
    async with database.statements() as stores:
        await stores.attempts.begin(registering, ada, LEASE)
        await stores.attempts.begin(asked_by_ada, uuid7(), LEASE)
        await stores.attempts.begin(asked_by_bob, uuid7(), LEASE)

        await stores.attempts.erase(ada)

        assert (await stores.attempts.begin(registering, uuid7(), LEASE)).is_ours
        assert (await stores.attempts.begin(asked_by_ada, uuid7(), LEASE)).is_ours
        assert not (await stores.attempts.begin(asked_by_bob, uuid7(), LEASE)).is_ours
