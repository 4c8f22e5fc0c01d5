"""What a program and its commands say in one line."""

import grpc
import grpc.aio
import pytest
from chassis.errors import Unavailable
from chassis.postgres.failures import translate, translated
from chassis.startup_errors import StartupError, sentence

UNAVAILABLE = "UNAVAILABLE: The service is not available just now."


def _caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


CALL = grpc.aio.AioRpcError(
    grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "failed to\nconnect", "a page"
)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StartupError("schema `stock` is empty: run it"), "schema `stock` is empty: run it"),
        (ConnectionRefusedError("no one\nthere"), "ConnectionRefusedError: no one there"),
        (TimeoutError(), "TimeoutError"),
        (Unavailable(), UNAVAILABLE),
        (_caused(Unavailable(), TimeoutError()), f"{UNAVAILABLE} (TimeoutError)"),
        (_caused(Unavailable(), CALL), f"{UNAVAILABLE} (AioRpcError: failed to connect)"),
        (_caused(translate(TimeoutError()), TimeoutError()), f"{UNAVAILABLE} (Postgres: TimeoutError)"),
    ],
)
def test_sentences(error: Exception, said: str) -> None:
    """With the cause, and the server where it is known."""
    assert sentence(error) == said


def test_postgres_is_named() -> None:
    with pytest.raises(Unavailable) as caught, translated():
        raise TimeoutError

    assert sentence(caught.value) == f"{UNAVAILABLE} (Postgres: TimeoutError)"
