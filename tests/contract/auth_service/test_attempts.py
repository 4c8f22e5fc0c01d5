"""What attempts at calls promise, in memory and on Postgres."""

from dataclasses import replace
from datetime import timedelta

from auth_service.domain.idempotency import WRONG_SECRETS_MAX, Attempt, Question
from auth_service.domain.unit_of_work import Database
from chassis.ids import uuid7

from tests.contract.auth_service.builders import admitted, opened

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

    assert first == Attempt(attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked", is_ours=True)
    assert second == Attempt(attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked")
    assert third == Attempt(
        attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked", sealed_answer=b"answer"
    )


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

    assert refused == Attempt(attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked")
    assert again == late == Attempt(attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked", is_ours=True)


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

    assert waiting == Attempt(attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked", outcome=outcome)
    assert again == Attempt(
        attempt_id=attempt_id, name=b"ada 1", fingerprint=b"asked", outcome=outcome, is_ours=True
    )


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


async def test_questions_of_others_are_known_by_what_they_share(database: Database) -> None:
    """The client's own comes alone; of others three, the newest first, unless guessed at too often."""
    shared = [replace(QUESTION, name=b"client %d" % number, shared_name=b"shared") for number in range(5)]
    own = replace(QUESTION, name=b"own", shared_name=b"shared")
    async with database.statements() as stores:
        for number, question in enumerate(shared):
            await stores.attempts.begin(question, uuid7(), LEASE, f"hash {number}")
        for _ in range(WRONG_SECRETS_MAX):
            await stores.attempts.note_wrong_secret(b"client 3")
        known = await stores.attempts.known(own)
        assert [(each.name, each.secret_hash) for each in known] == [
            (b"client 4", "hash 4"),
            (b"client 2", "hash 2"),
            (b"client 1", "hash 1"),
        ]
        assert await stores.attempts.known(QUESTION) == []
        await stores.attempts.begin(own, uuid7(), LEASE)
        assert (await stores.attempts.known(own))[0].name == b"own"


async def test_too_many_wrong_secrets_end_an_answer(database: Database) -> None:
    """The fifth one does."""
    async with database.statements() as stores:
        await stores.attempts.begin(QUESTION, uuid7(), LEASE, "hash")
        await stores.attempts.answer(QUESTION.name, b"answer")
        for number in range(WRONG_SECRETS_MAX):
            asked = await stores.attempts.begin(QUESTION, uuid7(), LEASE)
            assert (asked.sealed_answer, asked.wrong_secrets) == (b"answer", number)
            await stores.attempts.note_wrong_secret(QUESTION.name)
        (known,) = await stores.attempts.known(QUESTION)

    assert (known.sealed_answer, known.is_exhausted) == (None, True)


async def test_answers_end_with_what_they_gave(database: Database) -> None:
    """By user, by session asked in, and by what was made; a late answer is not kept either."""
    async with database.transaction() as stores:
        ada = await admitted(stores)
        standing = (await opened(stores, ada)).standing
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
            attempt = await stores.attempts.begin(question, uuid7(), LEASE)
            if name == "signed in":
                await stores.attempts.settle(attempt.attempt_id, session_id)
            if name == "a key":
                await stores.attempts.settle(attempt.attempt_id, key_id)
            if name != "not answered yet":
                await stores.attempts.answer(question.name, b"answer")

        async def ended() -> set[str]:
            found = set()
            for name, question in questions.items():
                (known,) = await stores.attempts.known(question)
                assert (known.sealed_answer is None) == (known.is_ended or name == "not answered yet")
                if known.is_ended:
                    found.add(name)
            return found

        await stores.attempts.end(key_id)
        assert await ended() == {"a key"}
        await stores.attempts.end(session_id)
        assert await ended() == {"a key", "signed in", "in her session"}
        await stores.attempts.end(ada.user_id)
        await stores.attempts.answer(questions["not answered yet"].name, b"late")
        assert await ended() == set(questions) - {"by bob"}
        await stores.attempts.erase(ada.user_id)
        assert (await stores.attempts.begin(questions["signed in"], uuid7(), LEASE)).is_ours


async def test_everybodys_answers_end_at_once(database: Database) -> None:
    """But those of one session, and those that have nothing to do with sessions."""
    async with database.transaction() as stores:
        ada = await admitted(stores)
        first, second = [(await opened(stores, ada)).standing for _ in range(2)]
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
            attempt = await stores.attempts.begin(question, uuid7(), LEASE)
            outcome = outcomes.get(name)
            if outcome is not None:
                await stores.attempts.settle(attempt.attempt_id, outcome)
            await stores.attempts.answer(question.name, b"answer")
        await stores.attempts.end_everybodys(but=first.session.id)
        known = {name: await stores.attempts.known(question) for name, question in questions.items()}

    assert {name for name, (attempt,) in known.items() if attempt.is_ended} == {"signed in", "in another"}
