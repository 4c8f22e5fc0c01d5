"""Secrets that can be read: what they stand for is written in clear."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from auth_service.domain.api_key import DrawnKey
from auth_service.domain.audit_head import HeadFault, SignedHead, statement
from auth_service.domain.credential import Credential
from auth_service.domain.login_throttle import ThrottleKey
from auth_service.domain.mail import MailKind
from auth_service.domain.refresh import RefreshToken
from auth_service.domain.second_factor import RECOVERY_CODES, Authenticator, Enrolment
from auth_service.domain.tokens import AccessGrant, unix_milliseconds
from chassis.addresses import counted_as
from chassis.email_address import canonical_email
from chassis.idempotency.record import IdempotencyKey, IdempotencyRecord, Request
from chassis.identity.caller import Caller


class FakeTokenSigner:
    """Writes what is granted in clear."""

    def __init__(self) -> None:
        self.grants: list[AccessGrant] = []

    def sign(self, grant: AccessGrant) -> str:
        """Returns text that says what is granted."""
        self.grants.append(grant)
        return f"access {grant.session_id} {grant.role} {unix_milliseconds(grant.at)}"


class FakeRefreshTokens:
    """Writes session and counter in clear."""

    def write(self, token: RefreshToken) -> str:
        """Returns the token."""
        return f"{token.session_id}/{token.counter}"

    def read(self, text: str) -> RefreshToken | None:
        """Returns what the token names."""
        session_id, slash, counter = text.partition("/")
        return RefreshToken(session_id=UUID(session_id), counter=int(counter)) if slash else None


class FakeMailTokens:
    """Writes in clear what a token stands for."""

    def __call__(self, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> str:
        """Returns the token."""
        return f"{kind}/{mail_id}/{user_id}/{canonical_email(email)}"

    def is_token(self, token: str, kind: MailKind, mail_id: UUID, user_id: UUID, email: str) -> bool:
        """Whether this is the token."""
        return token == self(kind, mail_id, user_id, email)


class FakeThrottleKeys:
    """Names accounts and clients legibly."""

    def __call__(self, canonical_email: str, client_address: str) -> ThrottleKey:
        """Returns the names of an account and a client."""
        return ThrottleKey(account=canonical_email.encode(), client=counted_as(client_address).encode())

    def of(self, credential: Credential, client_address: str) -> ThrottleKey:
        """Returns the names of a credential's account and a client."""
        return self(canonical_email(credential.email or str(credential.user_id)), client_address)

    def of_second_factor(self, user_id: UUID) -> ThrottleKey:
        """Returns the name under which a user's wrong codes are counted."""
        return ThrottleKey(account=f"second factor {user_id}".encode(), client=b"")


class FakeApiKeySecrets:
    """Counts: `vst_0/secret`, `vst_1/secret`; the digest is the key itself."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def draw(self, idempotency: IdempotencyRecord | None = None) -> DrawnKey:
        """Returns a new key."""
        prefix = f"vst_{idempotency.attempt_id if idempotency else next(self._numbers)}"
        return DrawnKey(text=f"{prefix}/secret", prefix=prefix, digest=f"{prefix}/secret".encode())

    def prefix(self, text: str) -> str | None:
        """Returns what stands before the secret."""
        prefix, slash, _ = text.partition("/")
        return prefix if slash else None

    def matches(self, text: str, digest: bytes) -> bool:
        """Whether this is the key."""
        return text.encode() == digest

    def digest(self, text: str) -> bytes:
        """Returns the key."""
        return text.encode()


class FakeResponseSeal:
    """Names clients and what they ask legibly, and seals nothing."""

    def keys(self, caller: Caller, key: str, request: Request) -> Sequence[IdempotencyKey]:
        """Returns the key."""
        return [self._question(caller, key, request)]

    def _question(self, caller: Caller, key: str, request: Request) -> IdempotencyKey:
        client = caller.user_id or caller.client_address
        is_shared = caller.user_id is None and request.proves
        return IdempotencyKey(
            name=f"{client} {key}".encode(),
            shared_name=f"{key} ".encode() + request.asked if is_shared else None,
            fingerprint=request.asked,
            user_id=caller.user_id,
            session_id=caller.session_id,
        )

    def seal(self, name: bytes, answer: bytes) -> bytes:
        """Returns the answer."""
        return answer

    def open(self, name: bytes, sealed_answer: bytes) -> bytes:
        """Returns the answer."""
        return sealed_answer


class FakeDeviceDigests:
    """Writes users and devices in clear."""

    def __call__(self, user_id: UUID, device: str) -> Sequence[bytes]:
        """Returns the device."""
        return [f"{user_id} {device}".encode()]


class FakeSecondFactorSecrets:
    """Takes the number of the step as its code."""

    def seal_new(self, user_id: UUID, account: str) -> tuple[Enrolment, bytes]:
        """Returns a new secret."""
        return Enrolment(secret="secret", uri=f"otpauth://totp/{account}"), b"secret"

    def step_of(self, authenticator: Authenticator, code: str, at: datetime) -> int | None:
        """Returns the step that the code is, if it is near and not yet used."""
        present = int(at.timestamp()) // 30
        near = code.isdecimal() and abs(int(code) - present) <= 1 and int(code) > authenticator.last_step
        return int(code) if near else None

    def recovery_codes(self, idempotency: IdempotencyRecord | None = None) -> Sequence[str]:
        """Returns new recovery codes."""
        return [f"code-{number}" for number in range(RECOVERY_CODES)]

    def recovery_digests(self, user_id: UUID, code: str) -> Sequence[bytes]:
        """Returns the code."""
        return [code.encode()]

    def challenge(self) -> str:
        """Returns a token."""
        return str(uuid4())

    def challenge_digest(self, token: str) -> bytes:
        """Returns the token."""
        return token.encode()


class FakeHeadSigner:
    """Signs with a word, and knows it again; `FakeHeadSigner("eve")` is another signer."""

    def __init__(self, kid: str = "ours") -> None:
        self._kid = kid

    def sign(self, sequence: int, chain_hash: bytes, at: datetime) -> SignedHead:
        """Returns the head of the chain, signed."""
        head = SignedHead(sequence=sequence, hash=chain_hash, at=at, kid=self._kid)
        return replace(head, signature=statement(head))

    async def verify(self, heads: Sequence[SignedHead]) -> Sequence[HeadFault | None]:
        """Returns what is wrong with each head by itself."""
        return [self._fault(head) for head in heads]

    def _fault(self, head: SignedHead) -> HeadFault | None:
        if head.kid != self._kid:
            return HeadFault.UNKNOWN_KEY
        return None if head.signature == statement(head) else HeadFault.WRONG_SIGNATURE
