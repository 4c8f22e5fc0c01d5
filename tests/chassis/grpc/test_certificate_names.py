"""A service uses no certificate of another one: others would refuse its calls."""

from pathlib import Path

import pytest
from chassis.grpc.certificates import open_certificates
from chassis.startup_errors import StartupError
from structlog.testing import capture_logs

from tests.chassis.grpc.authority import Authority, opened
from tests.fakes.service_keys import SHARED_KEY, service_keys

pytestmark = pytest.mark.usefixtures("_certificates_checked_at_once")


def test_another_services_certificate_is_named(authority: Authority, tmp_path: Path) -> None:
    """In the log while the service runs, and at the start: the file, its names, and the one that it lacks."""
    found = authority.issue(tmp_path)
    authority.write(tmp_path, "user-service")
    with capture_logs() as logs:
        assert found.refresh() == 0

    (line,) = logs
    assert line["file"] == str(tmp_path / "tls.crt")
    assert line["problem"] == "it names localhost, user-service, and not gateway (a DNS name of the SAN)"
    with pytest.raises(
        StartupError, match=r"TLS_CERT_FILE .*tls\.crt .* localhost, user-service, and not gateway"
    ):
        opened(tmp_path)


def test_an_expired_one_is_not_replaced_by_another_services(authority: Authority, tmp_path: Path) -> None:
    """Which is of no use either, and would pass for a good one."""
    authority.write(tmp_path, begins_seconds=-7200, lasts_seconds=3600)
    found = opened(tmp_path)
    authority.write(tmp_path, "user-service")
    assert found.refresh() == 0


def test_the_last_releases_certificates_count_while_it_is_accepted(
    authority: Authority, tmp_path: Path
) -> None:
    """They name no service, as servers know; one that names another is refused all the same."""
    keys = service_keys("gateway", shared_key=SHARED_KEY)
    paths = (tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "ca.crt")
    authority.write(tmp_path, "vestibule-gateway")
    assert open_certificates(paths, keys)

    authority.write(tmp_path, "user-service")
    with pytest.raises(StartupError, match="not gateway"):
        open_certificates(paths, keys)
