"""The streams that are open at this gateway: counted, and ended by revocations and when the gateway stops."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar
from uuid import UUID

import structlog
from chassis.auth_client.authenticator import TokenAuthenticator
from chassis.errors import ServiceError, Unavailable
from chassis.identity.claims import Claims
from chassis.ids import uuid7
from prometheus_client import Counter, Gauge
from vestibule.events.v1.events_pb2 import TokensRevoked

from gateway.http.problems import RateLimited
from gateway.limits.stream_slots import RENEW_SECONDS, StreamSlots
from gateway.streams.bounds import Bounds
from gateway.streams.ends import DRAINING, failed
from gateway.streams.open_stream import Holder, OpenStream

log = structlog.get_logger()

Key = TypeVar("Key")

RETRY_AFTER_SECONDS = 5.0

STREAMS_MAX = 5_000
"""Most streams of a gateway, which then has some 300 MB for them."""

ASK_AFTER_SECONDS = 0.5
"""For how long revocations may be unknown before auth-service is asked for them: longer than from a heartbeat
to the next, and early enough for an answer within the second in which they must count."""

ANSWER_SECONDS = 0.4
ASK_AGAIN_SECONDS = 0.1
UNKNOWN_SECONDS_MAX = 0.9
"""For how long revocations may be unknown when auth-service has failed to answer, before streams end."""

AT_ONCE_MAX = 50

_OPEN = Gauge("gateway_streams_open", "Streams that are open.", ["method"])
_OPENED = Counter("gateway_streams_opened_total", "Streams that have been opened.", ["method"])
_ENDED = Counter(
    "gateway_streams_ended_total", "Streams that have ended, by the reason.", ["method", "reason"]
)
_REFUSED = Counter("gateway_streams_refused_total", "Streams refused as too many of one client.", ["method"])


class TooManyStreams(RateLimited):
    """This client has as many streams open as it may."""

    message = "Too many streams are open at once; close one, or try again later."


class StreamRegistry:
    """Opens streams, knows the open ones and ends them."""

    def __init__(self, authenticator: TokenAuthenticator, slots: StreamSlots | None = None) -> None:
        """Takes what knows the tokens, and the slots that all gateways share; None for this gateway alone."""
        self._authenticator = authenticator
        self._slots = slots
        self._open: set[OpenStream] = set()
        self._by_key: dict[str, set[OpenStream]] = {}
        self._by_subject: dict[UUID, set[OpenStream]] = {}
        self._have_tokens = asyncio.Event()
        self._draining = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, holder: Holder, bounds: Bounds) -> OpenStream:
        """Opens a stream; the caller gives its slot back by `OpenStream.leave`.

        Raises:
            TooManyStreams: the holder has as many open as it may.
            Unavailable: the gateway is stopping, or has as many streams as it can bear.
            TokenRevoked: the token was revoked a moment ago.
        """
        if self._draining or len(self._open) >= STREAMS_MAX:
            raise Unavailable
        if len(self._by_key.get(holder.key, ())) >= bounds.per_holder:
            raise self._too_many(holder)
        stream = OpenStream(str(uuid7()), holder, bounds, self._left)
        # Known before anything is awaited: no revocation and no other stream is missed.
        self._add(stream)
        try:
            await self._take_slot(stream)
            if holder.claims is not None:
                self._authenticator.authenticate_cached(holder.token)
        except BaseException:
            self._remove(stream)
            raise
        _OPENED.labels(holder.method).inc()
        return stream

    def renew(self, stream: OpenStream, token: str, claims: Claims) -> None:
        """Has a stream go on by another token of its user.

        Raises:
            TokenRevoked: the token was revoked since it was authenticated.
        """
        old = stream.holder
        self._unindex(stream)
        stream.holder = Holder(old.method, old.client, old.sender, token, claims, old.authorize)
        stream.timer.renew(stream.holder.token_seconds)
        self._index(stream)
        # A revocation that came in between found the stream by its old token only.
        self._authenticator.authenticate_cached(token)

    def on_revoked(self, revoked: TokensRevoked) -> None:
        """Ends the streams that a revocation concerns, whose tokens are then refused."""
        if revoked.every_session:
            self._check(self._open)
            return
        try:
            subject = UUID(revoked.session_id or revoked.user_id)
        except ValueError:
            return
        self._check(self._by_subject.get(subject, ()))

    def on_lost(self) -> None:
        """Checks every stream: revocations may have been missed."""
        self._check(self._open)

    def drain(self) -> None:
        """Opens no more streams, and ends those that clients can open again at a gateway that stays."""
        self._draining = True
        for stream in tuple(self._open):
            if not stream.bounds.finishes:
                stream.end(DRAINING)

    async def run(self) -> None:
        """Renews slots, and asks for revocations while they cannot be followed; until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._renew_slots())
            tasks.create_task(self._keep_up())

    async def _take_slot(self, stream: OpenStream) -> None:
        slots, holder = self._slots, stream.holder
        if slots is not None and not await slots.take(holder.key, stream.bounds.per_holder, stream.id):
            raise self._too_many(holder)

    def _too_many(self, holder: Holder) -> TooManyStreams:
        _REFUSED.labels(holder.method).inc()
        return TooManyStreams(retry_after_seconds=RETRY_AFTER_SECONDS)

    def _add(self, stream: OpenStream) -> None:
        self._open.add(stream)
        self._by_key.setdefault(stream.holder.key, set()).add(stream)
        self._index(stream)
        _OPEN.labels(stream.holder.method).inc()

    def _left(self, stream: OpenStream) -> None:
        _ENDED.labels(stream.holder.method, stream.summary.end).inc()
        self._remove(stream)

    def _remove(self, stream: OpenStream) -> None:
        self._open.discard(stream)
        _discard(self._by_key, stream.holder.key, stream)
        self._unindex(stream)
        _OPEN.labels(stream.holder.method).dec()
        if self._slots is not None:
            self._start(self._slots.give_back(stream.holder.key, stream.id))

    def _index(self, stream: OpenStream) -> None:
        for subject in _subjects(stream):
            self._by_subject.setdefault(subject, set()).add(stream)
            self._have_tokens.set()

    def _unindex(self, stream: OpenStream) -> None:
        for subject in _subjects(stream):
            _discard(self._by_subject, subject, stream)

    def _check(self, streams: Iterable[OpenStream]) -> None:
        """Ends the streams whose tokens are refused; what memory does not know, auth-service is asked."""
        unknown = []
        for stream in tuple(streams):
            if stream.holder.claims is None:
                continue
            try:
                if self._authenticator.authenticate_cached(stream.holder.token) is None:
                    unknown.append(stream)
            except ServiceError as error:
                stream.end(failed(error))
        if unknown:
            self._start(self._authenticate_all(unknown))

    async def _authenticate_all(self, streams: list[OpenStream]) -> None:
        for begin in range(0, len(streams), AT_ONCE_MAX):
            await asyncio.gather(*(self._authenticate(each) for each in streams[begin : begin + AT_ONCE_MAX]))

    async def _authenticate(self, stream: OpenStream) -> None:
        holder = stream.holder
        try:
            claims = await self._authenticator.authenticate(holder.token, holder.sender)
            if holder.authorize is not None:
                holder.authorize(claims)
        except ServiceError as error:
            if stream.holder is holder:
                stream.end(failed(error))
        except Exception:
            log.exception("token of a stream could not be checked")

    async def _renew_slots(self) -> None:
        while self._slots is not None:
            await asyncio.sleep(RENEW_SECONDS)
            for key, streams in tuple(self._by_key.items()):
                renewed = tuple(streams)
                await self._slots.renew(key, [stream.id for stream in renewed])
                for stream in renewed:
                    if stream not in self._open:
                        # It was left meanwhile: its slot may have been given back before the renewal.
                        await self._slots.give_back(key, stream.id)

    async def _keep_up(self) -> None:
        """Sees to it that no revocation is unknown for a second, while streams have tokens."""
        feed = self._authenticator.feed
        while True:
            if not self._by_subject:
                self._have_tokens.clear()
            await self._have_tokens.wait()
            if feed.unknown_seconds >= ASK_AFTER_SECONDS:
                await self._catch_up()
            await asyncio.sleep(max(ASK_AFTER_SECONDS - feed.unknown_seconds, ASK_AGAIN_SECONDS))

    async def _catch_up(self) -> None:
        feed = self._authenticator.feed
        try:
            for revoked in await feed.catch_up(within_seconds=ANSWER_SECONDS):
                self.on_revoked(revoked)
        except Unavailable as error:
            if self._authenticator.may_use_memory(error) or feed.unknown_seconds < UNKNOWN_SECONDS_MAX:
                return
            streams = [each for each in self._open if each.holder.claims is not None]
            log.warning("revocations cannot be known; streams ended", streams=len(streams))
            for stream in streams:
                stream.end(failed(error))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _subjects(stream: OpenStream) -> list[UUID]:
    """Returns whose revocations concern a stream: its user's, and its session's or API key's."""
    claims = stream.holder.claims
    if claims is None:
        return []
    return [claims.user_id, claims.session_id or claims.token_id]


def _discard(index: dict[Key, set[OpenStream]], key: Key, stream: OpenStream) -> None:
    streams = index.get(key, set())
    streams.discard(stream)
    if not streams:
        index.pop(key, None)
