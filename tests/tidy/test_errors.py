"""Errors are named as the contract names them."""

import ast
import re

from tests.tidy import tree

OTHER_WORDS = {
    "Invalid": "VALIDATION_ERROR: the contract's word for any invalid field",
    "CredentialChanged": "CONFLICT: the contract's word for two changes at once",
    "SecondFactorOn": "CONFLICT: the contract's word for a state that does not allow it",
    "WrongCode": "INVALID_CREDENTIALS: the contract's word for whatever does not prove who one is",
    "PasskeyRefused": "INVALID_CREDENTIALS: the contract's word for whatever does not prove who one is",
    "PasskeyRegistered": "CONFLICT: the contract's word for a state that does not allow it",
    "TooManyPasskeys": "CONFLICT: the contract's word for a state that does not allow it",
    "SuccessorWaits": "CONFLICT: the contract's word for a state that does not allow it",
    "StoredResponseExpired": "CONFLICT: the contract's word for a state that does not allow it",
    "SourceExists": "CONFLICT: the contract's word for a state that does not allow it",
    "TooManySources": "CONFLICT: the contract's word for a state that does not allow it",
    "TooManyWebhooks": "CONFLICT: the contract's word for a state that does not allow it",
    "TooManyApiKeys": "CONFLICT: the contract's word for a state that does not allow it",
    "TooManyListeners": "UNAVAILABLE: the contract's word for whatever has no room just now",
    "RouteNotFound": "NOT_FOUND: a path is a resource like another",
}
"""Errors whose reason is not their name, each with the reason why."""

NO_REASON_OF_THEIR_OWN = {
    "ServiceError": "the root: INTERNAL, what everything untyped becomes",
    "RemoteError": "carries the reason of another service",
    "HttpError": "the root of what only HTTP knows",
    "ChainBroken": "stays between auth-service and its operators",
    "Undeliverable": "stays between auth-service's postman and its mail server",
}


def test_reason_is_the_name() -> None:
    """Each code has its class: `EMAIL_TAKEN` is `class EmailTaken`."""
    differing = {
        f"{source}:{error.name}: {reason}"
        for source in tree.product()
        for error in _classes(source)
        if (reason := _reason(error)) is not None
        and error.name not in NO_REASON_OF_THEIR_OWN
        and reason != OTHER_WORDS.get(error.name, _upper_snake(error.name)).partition(":")[0]
    }

    assert set() == differing


def test_every_error_has_a_reason() -> None:
    """No error of a domain reaches a client as INTERNAL because its code was forgotten."""
    silent = {
        f"{source}:{error.name}"
        for source in tree.product()
        for error in _classes(source)
        if "ServiceError" in {_name(base) for base in error.bases}
        and _reason(error) is None
        and error.name not in NO_REASON_OF_THEIR_OWN
    }

    assert set() == silent


def test_every_reason_is_documented() -> None:
    """The page of errors names every code that a client may meet, and no other."""
    page = (tree.ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([A-Z_]+)` \| \d{3} \|", page, re.MULTILINE))
    raised = {
        reason
        for source in tree.product()
        for error in _classes(source)
        if (reason := _reason(error)) is not None
    }

    assert raised <= documented, raised - documented
    spoken = {text for source in tree.product() for _, text in tree.texts(source)}
    assert documented <= spoken, documented - spoken


def _classes(source: tree.Source) -> list[ast.ClassDef]:
    return [node for node in source.nodes if isinstance(node, ast.ClassDef)]


def _reason(error: ast.ClassDef) -> str | None:
    for node in error.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="reason")], value=ast.Constant(value=str(reason))):
                return reason
            case ast.AnnAssign(target=ast.Name(id="reason"), value=ast.Constant(value=str(reason))):
                return reason
    return None


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()
