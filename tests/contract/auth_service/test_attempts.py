"""What attempts at calls promise, in memory and on Postgres."""

from dataclasses import replace
from datetime import timedelta

from auth_service.domain.idempotency import WRONG_SECRETS_MAX, Attempt, Question
from auth_service.domain.unit_of_work import UnitsOfWork
from chassis.ids import uuid7

from tests.contract.auth_service.builders import admitted, opened

LEASE = timedelta(minutes=1)
QUESTION = Question(name=b"ada 1", fingerprint=b"asked", asker=None)


async def test_one_call_takes_a_question_up(units: UnitsOfWork) -> None:
    """Until it answers; then everybody is given the answer, the first one for good."""
    attempt_id = uuid7()
    async with units.statements() as unit:
        first = await unit.attempts.begin(QUESTION, attempt_id, LEASE)
        second = await unit.attempts.begin(QUESTION, uuid7(), LEASE)
        await unit.attempts.answer(QUESTION.name, b"answer")
        await unit.attempts.answer(QUESTION.name, b"another")
        await unit.attempts.release(QUESTION.name)
        third = await unit.attempts.begin(QUESTION, uuid7(), LEASE)

    assert first == Attempt(attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked", is_ours=True)
    assert second == Attempt(attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked")
    assert third == Attempt(
        attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked", sealed_answer=b"answer"
    )


async def test_what_is_released_is_taken_up_again(units: UnitsOfWork) -> None:
    """As the same attempt, for the same question alone; so is what nobody answered in time."""
    attempt_id = uuid7()
    other = Question(name=QUESTION.name, fingerprint=b"something else", asker=None)
    async with units.statements() as unit:
        await unit.attempts.begin(QUESTION, attempt_id, LEASE)
        await unit.attempts.release(QUESTION.name)
        refused = await unit.attempts.begin(other, uuid7(), LEASE)
        again = await unit.attempts.begin(QUESTION, uuid7(), timedelta(seconds=-1))
        late = await unit.attempts.begin(QUESTION, uuid7(), LEASE)

    assert refused == Attempt(attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked")
    assert again == late == Attempt(attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked", is_ours=True)


async def test_an_outcome_is_noted_once(units: UnitsOfWork) -> None:
    """Whoever takes the question up afterwards knows of it; an attempt that is not there has none."""
    attempt_id, outcome = uuid7(), uuid7()
    async with units.statements() as unit:
        await unit.attempts.begin(QUESTION, attempt_id, LEASE)
        assert await unit.attempts.settle(attempt_id, outcome)
        assert not await unit.attempts.settle(attempt_id, uuid7())
        assert not await unit.attempts.settle(uuid7(), outcome)
        waiting = await unit.attempts.begin(QUESTION, uuid7(), LEASE)
        await unit.attempts.release(QUESTION.name)
        again = await unit.attempts.begin(QUESTION, uuid7(), LEASE)

    assert waiting == Attempt(attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked", outcome=outcome)
    assert again == Attempt(
        attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked", outcome=outcome, is_ours=True
    )


async def test_erasing_a_person(units: UnitsOfWork) -> None:
    """Takes along what they asked and the registration that made them, nothing else."""
    ada, bob = uuid7(), uuid7()
    registering = Question(name=b"registering", fingerprint=b"", asker=None)
    asked_by_ada = Question(name=b"by ada", fingerprint=b"", asker=ada)
    asked_by_bob = Question(name=b"by bob", fingerprint=b"", asker=bob)
    async with units.statements() as unit:
        await unit.attempts.begin(registering, ada, LEASE)
        await unit.attempts.begin(asked_by_ada, uuid7(), LEASE)
        await unit.attempts.begin(asked_by_bob, uuid7(), LEASE)

        await unit.attempts.erase(ada)

        assert (await unit.attempts.begin(registering, uuid7(), LEASE)).is_ours
        assert (await unit.attempts.begin(asked_by_ada, uuid7(), LEASE)).is_ours
        assert not (await unit.attempts.begin(asked_by_bob, uuid7(), LEASE)).is_ours


async def test_questions_of_others_are_known_by_what_they_share(units: UnitsOfWork) -> None:
    """The client's own comes alone; of others three, the newest first, unless guessed at too often."""
    shared = [replace(QUESTION, name=b"client %d" % number, shared_name=b"shared") for number in range(5)]
    own = replace(QUESTION, name=b"own", shared_name=b"shared")
    async with units.statements() as unit:
        for number, question in enumerate(shared):
            await unit.attempts.begin(question, uuid7(), LEASE, f"hash {number}")
        for _ in range(WRONG_SECRETS_MAX):
            await unit.attempts.note_wrong_secret(b"client 3")
        known = await unit.attempts.known(own)
        assert [(each.name, each.secret_hash) for each in known] == [
            (b"client 4", "hash 4"),
            (b"client 2", "hash 2"),
            (b"client 1", "hash 1"),
        ]
        assert await unit.attempts.known(QUESTION) == []
        await unit.attempts.begin(own, uuid7(), LEASE)
        assert (await unit.attempts.known(own))[0].name == b"own"


async def test_too_many_wrong_secrets_end_an_answer(units: UnitsOfWork) -> None:
    """The fifth one does."""
    async with units.statements() as unit:
        await unit.attempts.begin(QUESTION, uuid7(), LEASE, "hash")
        await unit.attempts.answer(QUESTION.name, b"answer")
        for number in range(WRONG_SECRETS_MAX):
            asked = await unit.attempts.begin(QUESTION, uuid7(), LEASE)
            assert (asked.sealed_answer, asked.wrong_secrets) == (b"answer", number)
            await unit.attempts.note_wrong_secret(QUESTION.name)
        (known,) = await unit.attempts.known(QUESTION)

    assert (known.sealed_answer, known.is_exhausted) == (None, True)


async def test_answers_end_with_what_they_gave(units: UnitsOfWork) -> None:
    """By user, by session asked in, and by what was made; a late answer is not kept either."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        standing = (await opened(unit, ada)).standing
        assert standing is not None
        session_id, bob, key_id = standing.session.id, uuid7(), uuid7()
        questions = {
            "signed in": Question(name=b"1", fingerprint=b"", asker=None),
            "asked by ada": Question(name=b"2", fingerprint=b"", asker=ada.user_id),
            "in her session": Question(name=b"3", fingerprint=b"", asker=bob, session_id=session_id),
            "a key": Question(name=b"4", fingerprint=b"", asker=bob),
            "by bob": Question(name=b"5", fingerprint=b"", asker=bob),
            "not answered yet": Question(name=b"6", fingerprint=b"", asker=ada.user_id),
        }
        for name, question in questions.items():
            attempt = await unit.attempts.begin(question, uuid7(), LEASE)
            if name == "signed in":
                await unit.attempts.settle(attempt.attempt_id, session_id)
            if name == "a key":
                await unit.attempts.settle(attempt.attempt_id, key_id)
            if name != "not answered yet":
                await unit.attempts.answer(question.name, b"answer")

        async def ended() -> set[str]:
            found = set()
            for name, question in questions.items():
                (known,) = await unit.attempts.known(question)
                assert (known.sealed_answer is None) == (known.is_ended or name == "not answered yet")
                if known.is_ended:
                    found.add(name)
            return found

        await unit.attempts.end(key_id)
        assert await ended() == {"a key"}
        await unit.attempts.end(session_id)
        assert await ended() == {"a key", "signed in", "in her session"}
        await unit.attempts.end(ada.user_id)
        await unit.attempts.answer(questions["not answered yet"].name, b"late")
        assert await ended() == set(questions) - {"by bob"}
        await unit.attempts.erase(ada.user_id)
        assert (await unit.attempts.begin(questions["signed in"], uuid7(), LEASE)).is_ours


async def test_everybodys_answers_end_at_once(units: UnitsOfWork) -> None:
    """But those of one session, and those that have nothing to do with sessions."""
    async with units.transaction() as unit:
        ada = await admitted(unit)
        first, second = [(await opened(unit, ada)).standing for _ in range(2)]
        assert first is not None
        assert second is not None
        outcomes = {"kept": first.session.id, "signed in": second.session.id, "registered": None}
        questions = {
            "kept": Question(name=b"1", fingerprint=b"", asker=None),
            "signed in": Question(name=b"2", fingerprint=b"", asker=None),
            "registered": Question(name=b"3", fingerprint=b"", asker=None),
            "in the kept": Question(name=b"4", fingerprint=b"", asker=uuid7(), session_id=first.session.id),
            "in another": Question(name=b"5", fingerprint=b"", asker=uuid7(), session_id=second.session.id),
        }
        for name, question in questions.items():
            attempt = await unit.attempts.begin(question, uuid7(), LEASE)
            outcome = outcomes.get(name)
            if outcome is not None:
                await unit.attempts.settle(attempt.attempt_id, outcome)
            await unit.attempts.answer(question.name, b"answer")
        await unit.attempts.end_everybodys(but=first.session.id)
        known = {name: await unit.attempts.known(question) for name, question in questions.items()}

    assert {name for name, (attempt,) in known.items() if attempt.is_ended} == {"signed in", "in another"}
