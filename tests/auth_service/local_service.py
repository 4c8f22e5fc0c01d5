"""The use cases on Postgres, and users to try them with."""

from collections.abc import Sequence
from uuid import UUID

from auth_service.adapters.hmac_secrets import HmacDeviceTokens
from auth_service.adapters.postgres.outbox import OUTBOX
from auth_service.domain.notices import SignInNotices
from auth_service.domain.password import BreachedPasswords, PasswordPolicy
from auth_service.domain.rights import RightsRule
from auth_service.domain.session import STANDARD, SessionLimits
from auth_service.domain.tokens import Tokens
from auth_service.domain.verified_email import VerifiedAddressRule
from auth_service.usecases.mail_delivery import SendMails
from auth_service.usecases.ports import Ports
from chassis.events.heartbeat_requests import HeartbeatRequests
from chassis.identity.caller import Caller
from chassis.identity.role import Role

from tests.auth_service.clocked_postgres import ClockedPostgres, ClockedUnitsOfWork
from tests.auth_service.use_cases import UseCases
from tests.fakes.auth_service.clock import FakeClock
from tests.fakes.auth_service.mail_sender import FakeMailSender
from tests.fakes.auth_service.outside import (
    AtOnce,
    FakeLoginDelay,
    FakePasswordHasher,
    FakePasswordStrength,
    FakeRelyingParty,
    FakeUserDirectory,
)
from tests.fakes.auth_service.secrets import (
    FakeApiKeySecrets,
    FakeDeviceDigests,
    FakeHeadSigner,
    FakeMailTokens,
    FakeRefreshTokens,
    FakeResponseSeal,
    FakeSecondFactorSecrets,
    FakeThrottleKeys,
    FakeTokenSigner,
)

AT_ONCE = AtOnce()
DEVICE_TOKENS = HmacDeviceTokens(b"a key of the tests' own")
EMAIL = "Ada@Example.com"
PASSWORD = "correct-horse-battery"
NAME = "Ada Lovelace"
HERE = "192.0.2.1"
ISSUER = "http://issuer.test"


class NoKeys:
    """No published keys."""

    def published(self) -> tuple[()]:
        """Returns none."""
        return ()


class AcceptingAuthenticator:
    """Accepts every token."""

    async def authenticate(self, token: str) -> object:
        """Returns the token."""
        return token


class LocalService(UseCases):
    """The use cases on Postgres, with fakes for what is outside."""

    def __init__(
        self,
        ports: Ports,
        units: ClockedUnitsOfWork,
        directory: FakeUserDirectory,
        hasher: FakePasswordHasher,
        *,
        login_delay: FakeLoginDelay,
        signer: FakeTokenSigner,
        clock: FakeClock,
    ) -> None:
        super().__init__(ports, AcceptingAuthenticator(), HeartbeatRequests(OUTBOX, units.database.pool))
        self.database = units.database
        self.units = units
        self.directory = directory
        self.hasher = hasher
        self.login_delay = login_delay
        self.signer = signer
        self.clock = clock

    async def user(self, email: str = EMAIL, *, role: Role = Role.USER, proven: bool = False) -> UUID:
        """Registers a user with `PASSWORD`, and with a verified address if `proven`."""
        user = await self.auth.register(
            email=email,
            password=PASSWORD,
            full_name=NAME,
            role=role,
            email_verified=proven,
            caller=a_client(),
        )
        return user.user_id

    async def sign_in(self, email: str = EMAIL, password: str = PASSWORD, address: str = HERE) -> Tokens:
        """Signs a user in."""
        issued = await self.auth.login(email=email, password=password, caller=a_client(address))
        assert isinstance(issued, Tokens)
        return issued

    def totp(self, drift: int = 0) -> str:
        """Returns the code of the current time step, or of one near it."""
        return str(int(self.clock.now().timestamp()) // 30 + drift)

    async def turn_on_totp(self, caller: Caller) -> Sequence[str]:
        """Turns a user's second factor on; returns the recovery codes."""
        await self.mfa.begin_totp(caller=caller)
        return await self.mfa.confirm_totp(code=self.totp(-1), caller=caller)

    async def add_passkey(self, caller: Caller, name: str = "phone") -> None:
        """Adds a passkey to a user with `PASSWORD`."""
        options = await self.passkeys.begin_passkey(password=PASSWORD, caller=caller)
        answer = {"challenge": options["challenge"], "id": name, "by": name}
        await self.passkeys.add_passkey(name=name, attestation=answer, caller=caller)

    async def send_mails(self) -> FakeMailSender:
        """Sends what is queued; returns what got it."""
        sender = FakeMailSender()
        await SendMails(self.units, FakeMailTokens(), sender)()
        return sender

    def session_of(self, tokens: Tokens) -> UUID:
        """Returns the session that tokens belong to."""
        return UUID(tokens.refresh_token.partition("/")[0])

    def signed_in(self, user_id: UUID, tokens: Tokens) -> Caller:
        """Returns the caller whom these tokens make."""
        return Caller(
            user_id=user_id,
            role=tokens.role,
            session_id=self.session_of(tokens),
            client_address=HERE,
            user_agent="test",
            request_id="request",
        )


def a_service() -> Caller:
    """Returns user-service as a caller."""
    return Caller(service="user-service", request_id="request")


def a_client(address: str = HERE) -> Caller:
    """Returns a caller who is not signed in."""
    return Caller(client_address=address, user_agent="test", request_id="request")


def build_service(
    database: ClockedPostgres,
    limits: SessionLimits = STANDARD,
    *,
    admins_need_second_factor: bool = False,
    verified_email: bool = True,
    notify: bool = True,
    breached: tuple[BreachedPasswords, ...] = (),
) -> LocalService:
    """Returns a service without users, in the standard profile or another."""
    clock = FakeClock()
    units = ClockedUnitsOfWork(database, clock, limits)
    directory = FakeUserDirectory(units, clock)
    hasher, login_delay, signer = FakePasswordHasher(units), FakeLoginDelay(), FakeTokenSigner()
    ports = Ports(
        address_rule=VerifiedAddressRule(verified_email),
        limits=limits,
        rights_of=RightsRule(admins_need_second_factor),
        units=units,
        directory=directory,
        hasher=hasher,
        password_policy=PasswordPolicy(FakePasswordStrength(), breached),
        login_delay=login_delay,
        after_response=AT_ONCE,
        throttle_keys=FakeThrottleKeys(),
        device_tokens=DEVICE_TOKENS,
        signer=signer,
        refresh_tokens=FakeRefreshTokens(),
        mail_tokens=FakeMailTokens(),
        device_digests=FakeDeviceDigests(),
        notices=SignInNotices(second_factor_guesses=notify, new_device=notify),
        second_factors=FakeSecondFactorSecrets(),
        relying_party=FakeRelyingParty(),
        api_key_secrets=FakeApiKeySecrets(),
        response_seal=FakeResponseSeal(),
        published_keys=NoKeys(),
        head_verifier=FakeHeadSigner(),
        issuer=ISSUER,
        clock=clock,
    )
    return LocalService(ports, units, directory, hasher, login_delay=login_delay, signer=signer, clock=clock)
