"""What speech costs and how it behaves in the running system, with a backend in another process.

The backend speaks Wyoming and always understands the same (`bench.voice_backend`); voice-service detects
speech by energy, as in production.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from devstack.ports import free_port, is_free
from devstack.stack import Stack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bench.processes import cpu_seconds
from bench.voice_recognition import FRAME_BYTES, FRAME_SECONDS, Recording

START = json.dumps({"start": {"sample_rate": 16000, "language": "en"}})
FINISH = json.dumps({"finish": {}})
QUESTION = "What prevents strokes?"
DOCUMENT = "Anticoagulation prevents strokes. " * 30
PASSWORD = "marble-otter-sunday-lamp"
AWAY_SECONDS = 2.0
"""How long no backend runs."""
SERVICES = ("gateway", "voice-service")


class Backend:
    """The speech backend, which can be killed and started again on its port."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; returns when it listens."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.voice_backend", str(self.port), QUESTION]
        )
        while is_free(self.port):
            time.sleep(0.02)

    def kill(self) -> None:
        """Kills it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@dataclass(frozen=True, slots=True)
class System:
    """The running system and its backend."""

    stack: Stack
    backend: Backend

    async def user(self) -> str:
        """Returns the access token of a new user."""
        account = {"email": f"{uuid4().hex}@bench.test", "password": PASSWORD}
        async with httpx.AsyncClient(base_url=self.stack.base_url, timeout=60) as client:
            registered = await client.post("/api/auth/register", json=account | {"full_name": "Ada King"})
            registered.raise_for_status()
            signed_in = (await client.post("/api/auth/login", json=account)).raise_for_status()
            token: str = signed_in.json()["data"]["access_token"]
            return token

    async def put_document(self, token: str) -> None:
        """Stores what the question is answered from."""
        async with httpx.AsyncClient(base_url=self.stack.base_url, timeout=60) as client:
            put = await client.put(
                f"/api/knowledge/documents/{uuid4()}",
                headers={"Authorization": f"Bearer {token}"},
                json={"title": "Strokes", "text": DOCUMENT},
            )
            put.raise_for_status()

    @asynccontextmanager
    async def session(self, token: str, call: str) -> AsyncIterator[ClientConnection]:
        """Opens a session, which has started."""
        url = f"{self.stack.base_url.replace('http', 'ws', 1)}/api/voice/{call}"
        headers = {"Authorization": f"Bearer {token}"}
        async with connect(url, additional_headers=headers, compression=None, proxy=None) as socket:
            await socket.send(START)
            await socket.recv()
            yield socket


@contextmanager
def running(folder: Path) -> Iterator[System]:
    """Runs the system."""
    backend = Backend()
    environment = {
        "PATH": os.environ["PATH"],
        "GATEWAY_RATE_LIMITS": "off",
        "KNOWLEDGE": "1",
        "VOICE": "1",
        "VOICE_DETECTOR": "energy",
        "VOICE_TRANSCRIBER": "wyoming",
        "VOICE_TRANSCRIBER_URL": f"tcp://127.0.0.1:{backend.port}",
    }
    try:
        backend.start()
        with Stack(folder, environment) as stack:
            yield System(stack, backend)
    finally:
        backend.kill()


async def speak(socket: ClientConnection, audio: bytes) -> None:
    """Sends audio as fast as it is spoken."""
    began = time.monotonic()
    for number, at in enumerate(range(0, len(audio), FRAME_BYTES), 1):
        await asyncio.sleep(max(0.0, began + number * FRAME_SECONDS - time.monotonic()))
        await socket.send(audio[at : at + FRAME_BYTES])


async def until(socket: ClientConnection, name: str) -> Any:
    """Returns the next event of a name; other events and audio are skipped."""
    async for message in socket:
        if isinstance(message, str) and name in (event := json.loads(message)):
            return event[name]
    raise RuntimeError(f"the session ended without {name}: {socket.close_code} {socket.close_reason}")


async def measure_sessions(system: System, every: list[Recording], sessions: int, seconds: float) -> None:
    """Prints the CPU time per frame of 100 ms of many sessions that speak all the time."""
    audio = b"".join(each.session(None, 0)[0] for each in every)
    tokens = [await system.user() for _ in range((sessions + 1) // 2)]
    pids = {name: system.stack.services[name].pid or 0 for name in SERVICES}
    frames = 0
    is_counted = asyncio.Event()

    async def one(number: int) -> None:
        nonlocal frames
        async with system.session(tokens[number // 2], "transcribe") as socket:
            reading = asyncio.create_task(until(socket, "ended"))
            begin = number * len(audio) // sessions // FRAME_BYTES * FRAME_BYTES
            own = audio[begin:] + audio[:begin]
            began = time.monotonic()
            for at in range(int((seconds + 2) / FRAME_SECONDS)):
                await asyncio.sleep(max(0.0, began + at * FRAME_SECONDS - time.monotonic()))
                place = at * FRAME_BYTES % (len(own) - FRAME_BYTES) // FRAME_BYTES * FRAME_BYTES
                await socket.send(own[place : place + FRAME_BYTES])
                frames += is_counted.is_set()
            await socket.send(FINISH)
            await reading

    speaking = [asyncio.create_task(one(number)) for number in range(sessions)]
    await asyncio.sleep(2)
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    is_counted.set()
    await asyncio.sleep(seconds - 1)
    is_counted.clear()
    costs = {name: (cpu_seconds(pid) - before[name]) / frames for name, pid in pids.items()}
    await asyncio.gather(*speaking)
    print(f"\n{sessions} sessions of frames of 100 ms for {seconds - 1:.0f} s, {frames} frames:")
    for name, cost in costs.items():
        print(f"- {name}: {cost * 1e6:.0f} µs of CPU per frame, {FRAME_SECONDS / cost:.0f} sessions per core")
    both = sum(costs.values())
    print(f"- both: {both * 1e6:.0f} µs of CPU per frame, {FRAME_SECONDS / both:.0f} sessions per core")


async def measure_barge_in(system: System, recording: Recording, times: int) -> None:
    """Prints how long it takes until an answer that is being spoken is cut off."""
    question, begin, _ = recording.session(None, 0)
    took_ms, noticed = list[float](), list[float]()
    for _ in range(times):
        # A user may have one conversation, and the one before may not be given back yet.
        token = await system.user()
        await system.put_document(token)
        async with system.session(token, "converse") as socket:
            await speak(socket, question)
            while isinstance(await socket.recv(), str):
                pass
            await asyncio.sleep(1)
            began = time.monotonic()
            speaking = asyncio.create_task(speak(socket, question))
            cleared = await until(socket, "cleared")
            noticed.append((time.monotonic() - began - begin) * 1000)
            took_ms.append(cleared["took_ms"])
            speaking.cancel()
    print(f"\nBarge-in, {times} times, from its first sound to `cleared` at the client:")
    print(f"- {statistics.median(noticed):.0f} ms, at most {max(noticed):.0f} ms")
    print(f"- of which stopping took {statistics.median(took_ms):.0f} ms, at most {max(took_ms):.0f} ms")


async def measure_kill(system: System, recording: Recording) -> None:
    """Prints what comes of an utterance in whose middle the backend is killed."""
    token = await system.user()
    audio, _, end = recording.session(None, 0)
    half = len(audio) // 2 // FRAME_BYTES * FRAME_BYTES

    async with system.session(token, "transcribe") as socket:
        reading = asyncio.create_task(until(socket, "final"))
        await speak(socket, audio[:half])
        system.backend.kill()
        killed = time.monotonic()

        async def restart() -> float:
            await asyncio.sleep(AWAY_SECONDS)
            await asyncio.to_thread(system.backend.start)
            return time.monotonic() - killed

        restarting = asyncio.create_task(restart())
        await speak(socket, audio[half:])
        text = (await reading)["text"]
        late = time.monotonic() - killed - (end - half / FRAME_BYTES * FRAME_SECONDS)
        print(f"\nBackend killed in the middle of an utterance, and back after {await restarting:.2f} s:")
        print(f"- `final` {text!r}, {late:.2f} s after the end of speech")

    async with system.session(token, "transcribe") as socket:
        reading = asyncio.create_task(until(socket, "error"))
        await speak(socket, audio[:half])
        system.backend.kill()
        began = time.monotonic()
        speaking = asyncio.create_task(speak(socket, audio[half:]))
        error = await reading
        late = time.monotonic() - began
        speaking.cancel()
        try:
            await socket.recv()
        except ConnectionClosed as closed:
            print(f"- for good: `error` {error['code']} after {late:.2f} s, then close code {closed.code}")
    system.backend.start()
