"""When two e-mail addresses are one: the rule that keeps people apart.

auth-service looks credentials up by the same rule, in a module of its own; a test holds
both to one corpus.
"""

import idna

from user_service.domain.folding import fold


def canonical(email: str) -> str:
    """Returns the form in which addresses are compared: folded, its domain in A-labels."""
    folded = fold(email.strip())
    local, at, domain = folded.rpartition("@")
    if not at:
        return folded
    return f"{local}@{_ascii(domain.rstrip('.'))}"


def _ascii(domain: str) -> str:
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        # Not a name that DNS could hold: then it is compared as it is.
        return domain
