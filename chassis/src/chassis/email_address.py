"""The canonical form of e-mail addresses, the same in every service.

Addresses are stored and mailed as typed, and compared by their canonical form.
"""

from functools import lru_cache

import idna

from chassis.text import fold


def canonical_email(address: str) -> str:
    """Returns the form by which addresses are compared.

    The local part is folded (NFKC and casefold), the domain is written in the A-labels of
    IDNA 2008, mapped by UTS 46 without its transitional rules: `Ada@STRAßE.example` and
    `ada@xn--strae-oqa.example` are one address, `ada@strasse.example` is another.

    Text that is not an address also has a form, different from every address's: nothing is refused here.
    """
    local, at, domain = address.strip().rpartition("@")
    if not at:
        return fold(domain)
    domain = domain.removesuffix(".")
    ascii_form = ascii_domain(domain)
    if ascii_form is None:
        ascii_form = domain.lower() if domain.isascii() else domain
    return f"{fold(local)}@{ascii_form}"


@lru_cache(maxsize=1024)
def ascii_domain(domain: str) -> str | None:
    """Returns a domain in lower-case A-labels; None if it is not valid by IDNA 2008."""
    try:
        encoded = idna.encode(domain, uts46=True, transitional=False).decode()
        # Other A-labels would be second names for the domains that they decode to.
        if idna.encode(idna.decode(encoded)).decode() != encoded:
            return None
    except (idna.IDNAError, UnicodeError):
        return None
    return encoded


def readable_email(address: str) -> str:
    """Returns the canonical form with its domain in Unicode instead of A-labels."""
    local, at, domain = canonical_email(address).rpartition("@")
    try:
        return f"{local}{at}{idna.decode(domain)}" if at else domain
    except (idna.IDNAError, UnicodeError):
        return f"{local}{at}{domain}"
