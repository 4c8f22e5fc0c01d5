"""Network policies open the port that a service connects to, also where a URL names none."""

from unittest import mock

import pytest
from auth_service.adapters.mail.smtp_carrier import SmtpServer
from health_aggregator.settings import HealthSettings
from pydantic import SecretStr

from tests.chart.conftest import Render
from tests.chart.manifests import Manifest, component, of_kind

PEER = {"ipBlock": {"cidr": "192.0.2.99/32"}}


def opened(manifests: list[Manifest], caller: str) -> set[int]:
    """Returns the ports at `PEER` that a component may reach."""
    (policy,) = [each for each in of_kind(manifests, "NetworkPolicy") if component(each) == caller]
    rules = [rule for rule in policy["spec"]["egress"] if rule.get("to") == [PEER]]
    return {port["port"] for rule in rules for port in rule["ports"]}


@pytest.mark.parametrize(
    "url", ["smtp://mail", "smtp+starttls://mail", "smtps://mail", "smtp://mail:1025", "smtps://mail:2465"]
)
def test_mail(render: Render, url: str) -> None:
    """By the scheme as auth-service understands it."""
    manifests = render({"mail": {"url": url}, "networkPolicy": {"smtp": [PEER]}})

    assert opened(manifests, "auth-service") == {SmtpServer.of(url).port}


@pytest.mark.parametrize(
    "url", ["http://qdrant", "https://qdrant", "https://qdrant/prefix", "http://qdrant:6334", "http://q:80"]
)
async def test_qdrant(render: Render, url: str) -> None:
    """One port for the index and for the check: 6333 unless the URL names another."""
    from knowledge_service.adapters import qdrant_index  # noqa: PLC0415 it takes half a second

    with mock.patch.object(qdrant_index, "QdrantIndex") as index:
        async with qdrant_index.open_qdrant_index(url, api_key=None, model="m", dimensions=256):
            (client,) = index.call_args.args
    connected = client._client._port
    settings = HealthSettings.model_construct(
        redis_url=SecretStr("redis://redis"), qdrant_url=SecretStr(url), postgres_url=None, nextcloud_url=None
    )
    checked = settings.backend_urls["qdrant"]
    manifests = render({"config": {"qdrantUrl": url}, "networkPolicy": {"qdrant": [PEER]}})

    assert f":{connected}" in checked
    assert checked.endswith("/prefix") is url.endswith("/prefix")
    assert opened(manifests, "knowledge-service") == {connected}
    assert opened(manifests, "health-aggregator") == {connected}
