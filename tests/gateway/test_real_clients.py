"""Streams with the clients that people use: curl, a browser, and Node's `ws`."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from tests.chassis.waiting import until
from tests.chromium import CHROMIUM, FLAGS, needs_chromium
from tests.gateway.stack import FakeUpstream, Gateway
from tests.gateway.streaming import Echo, opened

CURL, NODE, NPM = (shutil.which(name) for name in ("curl", "node", "npm"))
ORIGIN = "https://app.example"
END = 'event: end\ndata: {"reason":"finished"}\n\n'
WS_VERSION = "8.18.3"

pytestmark = pytest.mark.nightly
needs_curl = pytest.mark.skipif(CURL is None, reason="curl is not installed")
needs_node = pytest.mark.skipif(NODE is None or NPM is None, reason="node and npm are not installed")


async def output(*command: str, seconds: float = 60) -> str:
    """Runs a program and returns what it wrote."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(seconds):
            written, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return written.decode()


@needs_curl
async def test_curl(echo: Echo) -> None:
    """`curl -N` shows events as they come, JSON lines, and content that it takes for whole or cut."""
    url, token = str(echo.http.base_url), f"Authorization: Bearer {echo.token()}"
    events = await output("curl", "-sN", "-H", token, f"{url}/api/echo/count?until=2")
    lines = await output(
        *("curl", "-sN", "-H", token, "-H", "Accept: application/x-ndjson"),
        *("--json", '{"until": 2}', f"{url}/api/echo/count"),
    )
    played = await output(
        *("curl", "-sN", "-H", token, "-w", " %{http_code} %{content_type} %{exitcode}"),
        *("--json", '{"parts": 2, "part_bytes": 2, "content_type": "text/plain"}', f"{url}/api/echo/play"),
    )
    cut = await output(
        *("curl", "-sN", "-H", token, "-w", " %{http_code} %{exitcode}"),
        *("--json", '{"parts": 3, "part_bytes": 1, "fail_at": 3, "pause_milliseconds": 100}'),
        f"{url}/api/echo/play",
    )

    assert events.endswith(
        'id: 2\nevent: number\ndata: {"value":2,"padding":""}\n\nevent: end\ndata: {"reason":"finished"}\n\n'
    )
    assert [json.loads(line)["event"] for line in lines.splitlines()] == ["number", "number", "end"]
    assert played == "\1\1\2\2 200 text/plain 0"
    assert cut.startswith("\1\2 200 ")
    assert not cut.endswith(" 0"), "curl reports that the transfer is not complete"


@pytest.fixture(name="page")
async def _page() -> AsyncIterator[Page]:
    """A page of a client's origin, in Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page()
        await page.route(
            f"{ORIGIN}/**", lambda route: route.fulfill(body="<p>A client.", content_type="text/html")
        )
        await page.goto(f"{ORIGIN}/")
        yield page
        await browser.close()


@needs_chromium
async def test_event_source(page: Page, gateway: Gateway, upstream: FakeUpstream) -> None:
    """A browser follows events, and comes back by itself with the last identifier when a stream has ended."""
    await page.evaluate(
        """url => {
            window.seen = [];
            const source = new EventSource(url);
            for (const name of ["state", "change", "end"])
                source.addEventListener(name, event => seen.push([name, event.lastEventId]));
        }""",
        f"{gateway.http.base_url}/api/health/stream",
    )
    await page.wait_for_function("seen.length == 1")
    upstream.changes.put_nowait("postgres")
    await page.wait_for_function("seen.length == 2")
    upstream.changes.put_nowait(None)
    await page.wait_for_function("seen.length >= 4", timeout=20_000)
    seen = await page.evaluate("seen")

    assert seen[:3] == [["state", "1"], ["change", "2"], ["end", "2"]]
    assert upstream.calls[:2] == ["StreamHealth ", "StreamHealth 2"]


@needs_chromium
async def test_fetch(page: Page, echo: Echo) -> None:
    """A page that has a token reads a stream as it comes, and ends it by `abort`."""
    read = await page.evaluate(
        """async ([url, token]) => {
            const abort = new AbortController();
            const headers = {Authorization: `Bearer ${token}`, Accept: "application/x-ndjson"};
            const response = await fetch(url, {headers, signal: abort.signal});
            const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
            let text = "";
            while (text.split("\\n").length < 4) text += (await reader.read()).value;
            abort.abort();
            return [response.status, response.headers.get("content-type"), text.split("\\n")[0]];
        }""",
        [f"{echo.http.base_url}/api/echo/count?pause_milliseconds=50", echo.token()],
    )

    assert read[:2] == [200, "application/x-ndjson"]
    assert json.loads(read[2])["data"]["value"] == 1
    await until(lambda: not opened("Count") and not echo.service.open)


@needs_chromium
async def test_websocket_of_a_browser(page: Page, echo: Echo) -> None:
    """The token is a subprotocol; text, bytes, a close by either side, and a refusal are what a page sees."""
    script = """([url, token, frames]) => new Promise(resolve => {
        const socket = new WebSocket(url, ["vestibule.v1", `bearer.${token}`]);
        const got = [];
        socket.binaryType = "arraybuffer";
        socket.onopen = () => {
            got.push(socket.protocol);
            socket.send(frames[0]);
            socket.send(new Uint8Array([1, 2, 3]));
            socket.send(frames[1]);
        };
        socket.onmessage = ({data}) => got.push(typeof data == "string" ? data : [...new Uint8Array(data)]);
        socket.onclose = ({code, reason}) => resolve([...got, code, reason]);
    })"""
    said = '{"room":"blue","said":"a"}'
    ended = await page.evaluate(script, [echo.url(), echo.token(), ['{"say": "a"}', '{"stop": true}']])
    wrong = await page.evaluate(script, [echo.url(), echo.token(), ['{"say": "a"}', "{"]])
    refused = await page.evaluate(script, [echo.url(), "nonsense", ["", ""]])

    assert ended == ["vestibule.v1", said, [1, 2, 3], 1000, ""]
    assert wrong[-2:] == [1007, "INVALID_JSON"]
    assert refused == [1006, ""]


NODE_SCRIPT = """
const {WebSocket} = require("ws");
const [url, token] = process.argv.slice(2);
const socket = new WebSocket(url, {headers: {Authorization: `Bearer ${token}`}});
const got = [];
let pinged = false;
socket.on("open", () => { socket.ping(); socket.send('{"say": "a"}'); socket.send(Buffer.from([1, 2])); });
socket.on("pong", () => { pinged = true; });
socket.on("message", (data, binary) => {
  got.push(binary ? [...data] : JSON.parse(data).said);
  if (got.length == 2) socket.send('{"stop": true}');
});
socket.on("unexpected-response", (_, response) => {
  console.log(JSON.stringify([response.statusCode]));
  process.exit();
});
socket.on("close", (code, reason) => console.log(JSON.stringify([...got, pinged, code, String(reason)])));
"""


@pytest.fixture(scope="session", name="node_script")
def _node_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A client on `ws`, which npm fetches; skipped where there is no registry."""
    folder = tmp_path_factory.mktemp("node")
    command = ["npm", "install", f"ws@{WS_VERSION}", "--no-audit", "--no-fund", "--silent", "--prefix"]
    installed = subprocess.run([*command, str(folder)], capture_output=True, timeout=120, check=False)
    if installed.returncode:
        pytest.skip("npm's registry cannot be reached")
    script = folder / "client.js"
    script.write_text(NODE_SCRIPT)
    return script


@needs_node
async def test_ws_of_node(echo: Echo, node_script: Path) -> None:
    """It offers `permessage-deflate`, which is not taken; a refusal is a status."""
    ended = await output("node", str(node_script), echo.url(), echo.token())
    refused = await output("node", str(node_script), echo.url(), "nonsense")

    assert json.loads(ended) == ["a", [1, 2], True, 1000, ""]
    assert json.loads(refused.splitlines()[0]) == [401]
