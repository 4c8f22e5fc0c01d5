"""Why a webhook message did not arrive, as `last_error` says it.

Pages look the sentences up in their catalogs, with `{n}` in place of a number.
"""

STATUS = "the response is {n}"
NO_CONNECTION = "no connection"
NO_RESPONSE = "no response in time"
NOT_HTTP = "the response is not HTTP"
TOO_LARGE = "the response is larger than {n} bytes"
TLS_FAILED = "TLS failed: is the certificate valid?"
URL_REFUSED = "the URL {fault}"
NO_MASTER_KEY = "no master key is set"
OTHER_MASTER_KEY = "no master key opens the secret"
FAULT = "a fault in user-service; its log has the cause"


class Undelivered(Exception):
    """An endpoint gave no response; the text says why, without what it sent."""
