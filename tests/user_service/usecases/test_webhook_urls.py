"""Where webhooks may lead: to public addresses, by the address that was checked."""

import asyncio
import socket
from typing import Any

import pytest
from chassis.errors import Invalid
from chassis.http.destinations import Destinations
from user_service.adapters.webhook_poster import HttpWebhookPoster
from user_service.domain.undelivered import Undelivered
from user_service.domain.webhook import UrlRefused

from tests.components import changed
from tests.user_service.usecases.hooks import EVERYTHING, POSTER, Hooks
from tests.webhook_receiver import Receiver

STRICT = HttpWebhookPoster(Destinations())


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://user:secret@example.com/",
        "https://example.com/#part",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https:///path",
        "https://example.com/\r\nHost: inside",
        "https://example.com/a\tb",
        "https://example.com/a b",
        'https://example.com/"<script>',
        "https://example.com\\@10.0.0.1/",
        "https://ex\u00e4mple.com/",
        "https://example.com/{id}",
        "https://.../",
        "https://a..b/",
        f"https://{'a' * 64}.example.com/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://[::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:a00:1::1]/",
        "https://[::10.0.0.1]/",
        "https://[fec0::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[64:ff9b:1::a00:1]/",
        "https://224.0.0.1/",
        "https://[ff02::1]/",
    ],
)
async def test_urls_that_lead_inside_are_refused(hooks: Hooks, url: str) -> None:
    """When the endpoint is added, on the field, and once more when it would be posted to."""
    with pytest.raises(UrlRefused):
        STRICT.check(url)
    with pytest.raises(Undelivered):
        await STRICT(url, {}, b"{}")
    with pytest.raises(Invalid) as caught:
        await changed(hooks.create, poster=STRICT)(
            caller=hooks.caller, url=url, events=EVERYTHING, description=""
        )
    assert [error.field for error in caught.value.field_errors] == ["url"]


@pytest.mark.parametrize(
    "url", ["https://2130706433/", "https://127.1/", "https://0x7f.0.0.1/", "https://localhost/"]
)
async def test_other_spellings_of_the_inside_are_refused_once_they_are_resolved(url: str) -> None:
    """They are names until then."""
    with pytest.raises(Undelivered, match="private network"):
        await STRICT(url, {}, b"{}")


@pytest.mark.parametrize("inside", [["10.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::1"]])
async def test_names_that_resolve_to_the_inside_are_refused(
    monkeypatch: pytest.MonkeyPatch, inside: list[str]
) -> None:
    """Whatever the name was at the time it was added; one such address among public ones is enough."""

    async def resolved(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in inside]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)

    with pytest.raises(Undelivered, match="private network"):
        await STRICT("https://hooks.example.com/", {}, b"{}")


async def test_the_address_that_was_checked_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    """A second look-up, which could give another address, is not made."""
    looked_up = []
    loop = asyncio.get_running_loop()
    original = loop.getaddrinfo

    async def once(host: str, *rest: Any, **named: Any) -> Any:
        looked_up.append(host)
        return await original("127.0.0.1" if host == "hooks.test" else host, *rest, **named)

    monkeypatch.setattr(loop, "getaddrinfo", once)
    port = receiver.url.split(":")[2]

    assert await POSTER(f"http://hooks.test:{port}", {}, b"{}") == 204
    assert looked_up.count("hooks.test") == 1
    assert receiver.messages[0].headers["host"] == f"hooks.test:{port.removesuffix('/hook')}"
