"""The client behind an audit entry: personal data, stored apart from the entry and erased with the user."""

from uuid import UUID

from chassis.dataclass import dataclass
from chassis.identity.caller import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditClient:
    """The client behind an entry.

    Attributes:
        ip: The client's address.
        user_agent: The client's User-Agent.
        request_id: The request's id if the client chose it; empty if the gateway made it.
    """

    ip: str
    user_agent: str
    request_id: str


def neutral_request_id(request_id: str) -> str:
    """Returns a request's id if it is a UUID, which identifies no user; empty text for any other."""
    try:
        return request_id if str(UUID(request_id)) == request_id else ""
    except ValueError:
        return ""


def client_of(caller: Caller) -> AuditClient | None:
    """Returns the client of a call; None when nothing is known of it that would have to be erased."""
    chosen = "" if neutral_request_id(caller.request_id) else caller.request_id
    if not (caller.client_address or caller.user_agent or chosen):
        return None
    return AuditClient(ip=caller.client_address, user_agent=caller.user_agent, request_id=chosen)
