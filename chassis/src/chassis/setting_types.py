"""Types of settings that check what they are given."""

import re
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from chassis.redis_connection import check_url

_KEY = re.compile(r"[!-~]+")


def _fits_in_a_header(value: SecretStr) -> SecretStr:
    if not _KEY.fullmatch(value.get_secret_value()):
        raise ValueError("it has a space, a line break or another character that no key has")
    return value


BackendKey = Annotated[SecretStr, AfterValidator(_fits_in_a_header)]
"""The key of a server that is called. Libraries quote a header that they refuse, and so would the log."""


def _leads_to_redis(value: SecretStr) -> SecretStr:
    check_url(value.get_secret_value())
    return value


RedisUrl = Annotated[SecretStr, AfterValidator(_leads_to_redis)]
