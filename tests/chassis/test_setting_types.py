"""Types of settings, by what they take and what they refuse."""

from typing import Annotated

import pytest
from chassis.setting_types import GrpcAddress, HttpUrl, Origin, check_readable, comma_separated
from chassis.settings import EnvironmentSettings
from pydantic import TypeAdapter, ValidationError
from pydantic_settings import NoDecode


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "https://a:8443/v1?x=1#y",
        "postgresql://me:a%2Fb@h1:5432,h2:5433/x?host=/run",
        "postgresql:///x?host=/run/postgresql",
        "redis://:p@[::1]:6379/0",
        "dns:///users:50051",
        "smtp+starttls://me%40host:p@mail:587",
        "https://host/who@where",
    ],
)
def test_readable_urls(url: str) -> None:
    """With several hosts, none, an IPv6 address, or what is only like a user."""
    check_readable(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://a:b",
        "http://a:65536",
        "http://u:p/q@h",
        "http://u:1/q@h",
        "http://u:p?q@h",
        "http://[a",
        "smtp://u:p@q/r@h",
        "http://u:p@q/r@h",
        "postgresql:/u:p@h/x",
    ],
)
def test_urls_that_end_too_early(url: str) -> None:
    """And ports that are none."""
    with pytest.raises(ValueError, match="its host or port cannot be read"):
        check_readable(url)


@pytest.mark.parametrize("url", ["x", " ", "javascript:alert(1)", "ftp://a", "https://", "https://a b"])
def test_what_is_no_url_of_http(url: str) -> None:
    """Links in mails, and calls, would lead nowhere, or worse."""
    with pytest.raises(ValidationError, match="it is not http://host or https://host"):
        TypeAdapter(HttpUrl).validate_python(url)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "*",
        "https://a/",
        "https://a/b",
        "https://me@a",
        "https://a:x",
        "https://a:70000",
        "text",
        "a.example",
    ],
)
def test_what_is_no_origin(origin: str) -> None:
    """Above all `null`, which any page in a sandboxed frame has."""
    with pytest.raises(ValidationError, match=r"is not an origin|cannot be read"):
        TypeAdapter(Origin).validate_python(origin)
    assert TypeAdapter(Origin).validate_python("https://a:8443") == "https://a:8443"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:50051",
        "[::1]:50051",
        "user-service.vestibule.svc.cluster.local.:50051",
        "my_host:1",
        "dns:///users:50051",
        "unix:/run/users.sock",
    ],
)
def test_where_grpc_is_answered(address: str) -> None:
    assert TypeAdapter(GrpcAddress).validate_python(address) == address


@pytest.mark.parametrize(
    "address",
    ["", "users", "users:", "users:grpc", "http://users:50051", "users:50051/", " users:1", "::1:50051"],
)
def test_what_is_no_address_of_grpc(address: str) -> None:
    with pytest.raises(ValidationError, match="host:port, such as user-service:50051"):
        TypeAdapter(GrpcAddress).validate_python(address)


@pytest.mark.parametrize("port", [0, 65_536])
def test_ports_of_grpc(port: int) -> None:
    with pytest.raises(ValidationError, match="port is not between 1 and 65535"):
        TypeAdapter(GrpcAddress).validate_python(f"users:{port}")


class Listing(EnvironmentSettings):
    """A setting that is a list."""

    origins: Annotated[tuple[Origin, ...], NoDecode] = ()

    _split_list = comma_separated("origins")


def test_lists_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong is said of the part that it is about, not of all parts as if they were one URL."""
    monkeypatch.setenv("ORIGINS", "https://a:1, https://b,")
    assert Listing().origins == ("https://a:1", "https://b")
    assert Listing(origins=("https://c",)).origins == ("https://c",)

    monkeypatch.setenv("ORIGINS", "https://a:1,https://u:p/q@b")
    with pytest.raises(ValidationError, match="no user belongs into it") as refused:
        Listing()
    assert refused.value.errors()[0]["loc"] == ("origins", 1)
