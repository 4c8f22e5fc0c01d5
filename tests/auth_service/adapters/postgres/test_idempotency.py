"""What attempts at calls promise."""

from dataclasses import replace
from datetime import timedelta

from auth_service.domain.unit_of_work import UnitsOfWork
from chassis.idempotency.record import WRONG_SECRETS_MAX, IdempotencyKey, IdempotencyRecord
from chassis.ids import uuid7

from tests.auth_service.adapters.postgres.builders import admitted, opened

LEASE = timedelta(minutes=1)
QUESTION = IdempotencyKey(name=b"ada 1", fingerprint=b"asked", user_id=None)


async def test_one_call_takes_a_question_up(units: UnitsOfWork) -> None:
    """Until it has a response; then every call gets it, the first one for good."""
    attempt_id = uuid7()
    async with units.statements() as unit:
        first = await unit.idempotency.begin(QUESTION, attempt_id, LEASE)
        second = await unit.idempotency.begin(QUESTION, uuid7(), LEASE)
        await unit.idempotency.store_response(QUESTION.name, b"answer")
        await unit.idempotency.store_response(QUESTION.name, b"another")
        await unit.idempotency.release(QUESTION.name)
        third = await unit.idempotency.begin(QUESTION, uuid7(), LEASE)

    assert first == IdempotencyRecord(
        attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked", is_ours=True
    )
    assert second == IdempotencyRecord(attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked")
    assert third == IdempotencyRecord(
        attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked", sealed_answer=b"answer"
    )


async def test_what_is_released_is_taken_up_again(units: UnitsOfWork) -> None:
    """As the same attempt, for the same question alone; so is what got no response in time."""
    attempt_id = uuid7()
    other = IdempotencyKey(name=QUESTION.name, fingerprint=b"something else", user_id=None)
    async with units.statements() as unit:
        await unit.idempotency.begin(QUESTION, attempt_id, LEASE)
        await unit.idempotency.release(QUESTION.name)
        refused = await unit.idempotency.begin(other, uuid7(), LEASE)
        again = await unit.idempotency.begin(QUESTION, uuid7(), timedelta(seconds=-1))
        late = await unit.idempotency.begin(QUESTION, uuid7(), LEASE)

    assert refused == IdempotencyRecord(attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked")
    assert (
        again
        == late
        == IdempotencyRecord(attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked", is_ours=True)
    )


async def test_an_outcome_is_noted_once(units: UnitsOfWork) -> None:
    """The next call with the request gets it; an unknown attempt has none."""
    attempt_id, outcome = uuid7(), uuid7()
    async with units.statements() as unit:
        await unit.idempotency.begin(QUESTION, attempt_id, LEASE)
        assert await unit.idempotency.record_outcome(attempt_id, outcome)
        assert not await unit.idempotency.record_outcome(attempt_id, uuid7())
        assert not await unit.idempotency.record_outcome(uuid7(), outcome)
        waiting = await unit.idempotency.begin(QUESTION, uuid7(), LEASE)
        await unit.idempotency.release(QUESTION.name)
        again = await unit.idempotency.begin(QUESTION, uuid7(), LEASE)

    assert waiting == IdempotencyRecord(
        attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked", outcome=outcome
    )
    assert again == IdempotencyRecord(
        attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked", outcome=outcome, is_ours=True
    )


async def test_erasing_a_user(units: UnitsOfWork) -> None:
    """Takes along what they asked and the registration that made them, nothing else."""
    ada, bob = uuid7(), uuid7()
    registering = IdempotencyKey(name=b"registering", fingerprint=b"", user_id=None)
    asked_by_ada = IdempotencyKey(name=b"by ada", fingerprint=b"", user_id=ada)
    asked_by_bob = IdempotencyKey(name=b"by bob", fingerprint=b"", user_id=bob)
    async with units.statements() as unit:
        await unit.idempotency.begin(registering, ada, LEASE)
        await unit.idempotency.begin(asked_by_ada, uuid7(), LEASE)
        await unit.idempotency.begin(asked_by_bob, uuid7(), LEASE)

        await unit.idempotency.erase(ada)

        assert (await unit.idempotency.begin(registering, uuid7(), LEASE)).is_ours
        assert (await unit.idempotency.begin(asked_by_ada, uuid7(), LEASE)).is_ours
        assert not (await unit.idempotency.begin(asked_by_bob, uuid7(), LEASE)).is_ours


async def test_questions_of_others_are_known_by_what_they_share(units: UnitsOfWork) -> None:
    """The client's own comes alone; of others three, the newest first, unless guessed at too often."""
    shared = [replace(QUESTION, name=b"client %d" % number, shared_name=b"shared") for number in range(5)]
    own = replace(QUESTION, name=b"own", shared_name=b"shared")
    async with units.statements() as unit:
        for number, question in enumerate(shared):
            await unit.idempotency.begin(question, uuid7(), LEASE, f"hash {number}")
        for _ in range(WRONG_SECRETS_MAX):
            await unit.idempotency.count_wrong_secret(b"client 3")
        known = await unit.idempotency.find(own)
        assert [(each.name, each.secret_hash) for each in known] == [
            (b"client 4", "hash 4"),
            (b"client 2", "hash 2"),
            (b"client 1", "hash 1"),
        ]
        assert await unit.idempotency.find(QUESTION) == []
        await unit.idempotency.begin(own, uuid7(), LEASE)
        assert (await unit.idempotency.find(own))[0].name == b"own"


async def test_too_many_wrong_secrets_end_an_answer(units: UnitsOfWork) -> None:
    """The fifth one does."""
    async with units.statements() as unit:
        await unit.idempotency.begin(QUESTION, uuid7(), LEASE, "hash")
        await unit.idempotency.store_response(QUESTION.name, b"answer")
        for number in range(WRONG_SECRETS_MAX):
            asked = await unit.idempotency.begin(QUESTION, uuid7(), LEASE)
            assert (asked.sealed_answer, asked.wrong_secrets) == (b"answer", number)
            await unit.idempotency.count_wrong_secret(QUESTION.name)
        (known,) = await unit.idempotency.find(QUESTION)

    assert (known.sealed_answer, known.is_exhausted) == (None, True)


async def test_answers_end_with_what_they_gave(units: UnitsOfWork) -> None:
    """By user, by session asked in, and by what was made; a late answer is not kept either."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        locked = (await opened(unit, ada)).locked
        assert locked is not None
        session_id, bob, key_id = locked.session.id, uuid7(), uuid7()
        questions = {
            "signed in": IdempotencyKey(name=b"1", fingerprint=b"", user_id=None),
            "asked by ada": IdempotencyKey(name=b"2", fingerprint=b"", user_id=ada.user_id),
            "in her session": IdempotencyKey(name=b"3", fingerprint=b"", user_id=bob, session_id=session_id),
            "a key": IdempotencyKey(name=b"4", fingerprint=b"", user_id=bob),
            "by bob": IdempotencyKey(name=b"5", fingerprint=b"", user_id=bob),
            "not answered yet": IdempotencyKey(name=b"6", fingerprint=b"", user_id=ada.user_id),
        }
        for name, question in questions.items():
            attempt = await unit.idempotency.begin(question, uuid7(), LEASE)
            if name == "signed in":
                await unit.idempotency.record_outcome(attempt.attempt_id, session_id)
            if name == "a key":
                await unit.idempotency.record_outcome(attempt.attempt_id, key_id)
            if name != "not answered yet":
                await unit.idempotency.store_response(question.name, b"answer")

        async def ended() -> set[str]:
            found = set()
            for name, question in questions.items():
                (known,) = await unit.idempotency.find(question)
                assert (known.sealed_answer is None) == (known.is_ended or name == "not answered yet")
                if known.is_ended:
                    found.add(name)
            return found

        await unit.idempotency.expire(key_id)
        assert await ended() == {"a key"}
        await unit.idempotency.expire(session_id)
        assert await ended() == {"a key", "signed in", "in her session"}
        await unit.idempotency.expire(ada.user_id)
        await unit.idempotency.store_response(questions["not answered yet"].name, b"late")
        assert await ended() == set(questions) - {"by bob"}
        await unit.idempotency.erase(ada.user_id)
        assert (await unit.idempotency.begin(questions["signed in"], uuid7(), LEASE)).is_ours


async def test_everybodys_answers_end_at_once(units: UnitsOfWork) -> None:
    """But those of one session, and those that have nothing to do with sessions."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        first, second = [(await opened(unit, ada)).locked for _ in range(2)]
        assert first is not None
        assert second is not None
        outcomes = {"kept": first.session.id, "signed in": second.session.id, "registered": None}
        questions = {
            "kept": IdempotencyKey(name=b"1", fingerprint=b"", user_id=None),
            "signed in": IdempotencyKey(name=b"2", fingerprint=b"", user_id=None),
            "registered": IdempotencyKey(name=b"3", fingerprint=b"", user_id=None),
            "in the kept": IdempotencyKey(
                name=b"4", fingerprint=b"", user_id=uuid7(), session_id=first.session.id
            ),
            "in another": IdempotencyKey(
                name=b"5", fingerprint=b"", user_id=uuid7(), session_id=second.session.id
            ),
        }
        for name, question in questions.items():
            attempt = await unit.idempotency.begin(question, uuid7(), LEASE)
            outcome = outcomes.get(name)
            if outcome is not None:
                await unit.idempotency.record_outcome(attempt.attempt_id, outcome)
            await unit.idempotency.store_response(question.name, b"answer")
        await unit.idempotency.expire_all(but=first.session.id)
        known = {name: await unit.idempotency.find(question) for name, question in questions.items()}

    assert {name for name, (attempt,) in known.items() if attempt.is_ended} == {"signed in", "in another"}
