"""E-mail addresses: kept as typed, compared by their canonical form."""

import unicodedata

import idna


def canonical_email(address: str) -> str:
    """Returns the form by which addresses are compared.

    NFKC and casefold over the whole address, the domain as IDNA A-labels where it can be
    written so: `Ada@BÜCHER.example` and `ada@xn--bcher-kva.example` are one address. Mail
    goes to the address as typed, never to this form.
    """
    folded = _folded(address.strip())
    local, at, domain = folded.rpartition("@")
    if not at:
        return folded
    return f"{local}@{_ascii(domain.rstrip('.'))}"


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _ascii(domain: str) -> str:
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain
