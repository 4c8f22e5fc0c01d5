"""Builds the adapters that the settings name."""

from email.headerregistry import Address
from email.utils import parseaddr
from urllib.parse import urlsplit

from chassis.clock import Clock, SystemClock
from chassis.grpc.certificates import Certificates
from chassis.grpc.channel import ServiceChannel, open_channel
from chassis.idempotency.sealed_responses import SealedResponses
from chassis.identity.service_tokens import ServiceTokens
from chassis.lifecycle import Lifecycle
from chassis.startup_errors import StartupError, StartupRefused
from vestibule.users.v1 import directory_service_pb2

from auth_service.adapters.after_response_tasks import AfterResponseTasks
from auth_service.adapters.argon2_hasher import Argon2Hasher
from auth_service.adapters.audit_heads import EcdsaHeadVerifier
from auth_service.adapters.audit_witness import WITNESS_SERVICE, GrpcAuditWitness
from auth_service.adapters.breached_passwords import (
    BreachedPasswordsFile,
    BreachedPasswordsFileError,
    BreachedPasswordsService,
)
from auth_service.adapters.hashing_pool import HashingPool, usable_cores
from auth_service.adapters.hmac_secrets import (
    HmacApiKeys,
    HmacDeviceDigests,
    HmacDeviceTokens,
    HmacMailTokens,
    HmacRefreshTokens,
    HmacThrottleKeys,
)
from auth_service.adapters.jwt_signer import JwtSigner
from auth_service.adapters.key_ring import KeyRing
from auth_service.adapters.login_delay import InProcessLoginDelay
from auth_service.adapters.mail.composer import Composer
from auth_service.adapters.mail.file_carrier import FileCarrier
from auth_service.adapters.mail.sender import Carrier, MailDelivery
from auth_service.adapters.mail.smtp_carrier import SmtpCarrier, SmtpServer
from auth_service.adapters.master_key import MasterKey
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.adapters.totp_secrets import TotpSecrets
from auth_service.adapters.user_directory import GrpcUserDirectory
from auth_service.adapters.webauthn_relying_party import WebauthnRelyingParty
from auth_service.adapters.zxcvbn_strength import ZxcvbnStrength
from auth_service.domain.audit_client import AuditClients
from auth_service.domain.errors import MasterKeyMismatch
from auth_service.domain.mail import MailSender
from auth_service.domain.password import BreachedPasswords, PasswordPolicy
from auth_service.domain.retention import AuditRetention
from auth_service.domain.rights import RightsRule
from auth_service.domain.signing_key import RELOAD
from auth_service.settings import AuthSettings
from auth_service.usecases.ports import Ports
from auth_service.usecases.signing_keys import EnsureSigningKey


async def open_ports(
    lifecycle: Lifecycle,
    settings: AuthSettings,
    *,
    service_tokens: ServiceTokens,
    certificates: Certificates | None,
    units: PostgresUnitsOfWork,
    ring: KeyRing,
) -> Ports:
    """Opens what the use cases need; it closes with the lifecycle.

    Raises:
        StartupRefused: the file of breached passwords cannot be used.
    """
    directory = open_user_channel(settings, service_tokens, certificates)
    witness = None
    if settings.witness_address is not None:
        channel = open_channel(
            settings.witness_address,
            service_tokens=service_tokens,
            services=[WITNESS_SERVICE],
            credentials=certificates,
        )
        witness = GrpcAuditWitness(await lifecycle.enter(channel))
    clients: dict[str, AuditClients] = {}
    if settings.knowledge_address is not None:
        from auth_service.adapters.knowledge_audit_clients import (  # noqa: PLC0415 - only where it is on
            KNOWLEDGE_SERVICE,
            KnowledgeAuditClients,
        )

        opening = open_channel(
            settings.knowledge_address,
            service_tokens=service_tokens,
            services=[KNOWLEDGE_SERVICE],
            credentials=certificates,
        )
        clients["knowledge-service"] = KnowledgeAuditClients(await lifecycle.enter(opening))
    keys = ring.master_key
    return Ports(
        units=units,
        directory=GrpcUserDirectory(await lifecycle.enter(directory)),
        hasher=await _open_hasher(lifecycle, settings),
        password_policy=await _open_password_policy(lifecycle, settings),
        login_delay=InProcessLoginDelay(),
        after_response=await lifecycle.enter(AfterResponseTasks()),
        throttle_keys=HmacThrottleKeys(*keys.every("guess-names")),
        device_tokens=HmacDeviceTokens(*keys.every("device-tokens")),
        device_digests=HmacDeviceDigests(*keys.every("known-devices")),
        signer=JwtSigner(ring, settings.issuer, settings.audience),
        refresh_tokens=HmacRefreshTokens(*keys.every("refresh-tokens")),
        mail_tokens=HmacMailTokens(*keys.every("mail-tokens")),
        second_factors=totp_secrets(keys),
        relying_party=_relying_party(settings),
        api_key_secrets=HmacApiKeys(*keys.every("api-keys")),
        response_seal=SealedResponses(keys.every("first-answers"), keys.every("first-answer-names")),
        published_keys=ring,
        head_verifier=EcdsaHeadVerifier(units, keys),
        audit_witness=witness,
        audit_retention=AuditRetention(settings.audit_retention_years),
        notices=settings.notices,
        limits=settings.limits,
        rights_of=RightsRule(admins_need_second_factor=settings.is_strict),
        address_rule=settings.address_rule,
        issuer=settings.issuer,
        clock=ring.clock,
        names_ended_sessions=service_tokens.accepts_shared,
        other_audit_clients=clients,
    )


def open_user_channel(
    settings: AuthSettings, service_tokens: ServiceTokens, certificates: Certificates | None
) -> ServiceChannel:
    """Opens the channel to user-service."""
    return open_channel(
        settings.users_address,
        service_tokens=service_tokens,
        services=[directory_service_pb2.DESCRIPTOR.services_by_name["DirectoryService"]],
        credentials=certificates,
    )


async def open_key_ring(settings: AuthSettings, units: PostgresUnitsOfWork) -> KeyRing:
    """Returns the signing keys, loaded.

    Raises:
        StartupError: the master key does not open them.
    """
    # Read often enough to have the next key before it signs.
    reload_seconds = min(RELOAD.total_seconds(), settings.key_publish_seconds / 4)
    ring = KeyRing(units, MasterKey(*settings.master_keys), SystemClock(), reload_seconds)
    try:
        await ring.load()
    except MasterKeyMismatch as error:
        raise StartupError(str(error)) from error
    return ring


async def ensure_signing_key(ring: KeyRing) -> None:
    """Creates the first signing key where there is none."""
    await EnsureSigningKey(ring.units, ring.master_key, ring.clock)()
    await ring.load()


def totp_secrets(master_key: MasterKey) -> TotpSecrets:
    """Returns what seals the secrets of second factors."""
    return TotpSecrets(master_key.every("totp-secrets"), master_key.every("recovery-codes"))


def mail_sender(settings: AuthSettings, clock: Clock) -> MailSender | None:
    """Returns what sends mails; None when the settings name neither a server nor a folder."""
    name, address = parseaddr(settings.mail_from)
    sender = Address(display_name=name, addr_spec=address)
    carrier: Carrier
    if settings.smtp_url is not None:
        server = SmtpServer.of(settings.smtp_url.get_secret_value(), settings.smtp_ca_file)
        try:
            server.context()
        except OSError as error:
            raise StartupRefused(f"mails cannot be sent: {error.strerror}; correct the file") from error
        carrier = SmtpCarrier(server, sender.domain)
    elif settings.mail_dir is not None:
        carrier = FileCarrier(settings.mail_dir)
    else:
        return None
    composer = Composer(sender, settings.public_url or settings.issuer, clock, settings.mail_language)
    return MailDelivery(composer, carrier)


async def _open_hasher(lifecycle: Lifecycle, settings: AuthSettings) -> Argon2Hasher:
    workers = settings.hash_workers or usable_cores()
    pool = await lifecycle.enter(HashingPool(workers=workers, queue_per_worker=settings.hash_queue))
    return Argon2Hasher(pool, memory_kib=settings.argon2_memory_kib, time_cost=settings.argon2_time_cost)


async def _open_password_policy(lifecycle: Lifecycle, settings: AuthSettings) -> PasswordPolicy:
    breached: list[BreachedPasswords] = []
    if settings.breached_passwords_file is not None:
        try:
            file = BreachedPasswordsFile.open(settings.breached_passwords_file)
            breached.append(await lifecycle.enter(file))
        except BreachedPasswordsFileError as error:
            raise StartupRefused(f"AUTH_BREACHED_PASSWORDS_FILE: {error}") from error
    if settings.breached_passwords_url is not None:
        breached.append(BreachedPasswordsService(settings.breached_passwords_url))
    return PasswordPolicy(await lifecycle.enter(ZxcvbnStrength()), tuple(breached))


def _relying_party(settings: AuthSettings) -> WebauthnRelyingParty:
    """Returns the relying party that browsers see; what is not set follows from the public URL."""
    origins = settings.passkey_origins or (_origin(settings.public_url or settings.issuer),)
    return WebauthnRelyingParty(
        party_id=settings.passkey_rp_id or urlsplit(origins[0]).hostname or "",
        name=settings.product,
        origins=origins,
    )


def _origin(url: str) -> str:
    """Returns a URL's origin. Browsers refuse passkeys for IP addresses: loopback becomes `localhost`."""
    parts = urlsplit(url)
    host = "localhost" if parts.hostname in ("127.0.0.1", "::1") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
