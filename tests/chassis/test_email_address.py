"""When two e-mail addresses are one."""

import pytest
from chassis.email_address import ascii_domain, canonical_email, readable_email
from chassis.grpc.value_checks import is_email
from hypothesis import given
from hypothesis import strategies as st

SAME = [
    ("Ada@Example.org", "ada@example.org"),
    (" ada@example.org ", "ada@example.org"),
    ("\uff41da@example.org", "ada@example.org"),
    ("e\u0301ve@example.com", "\u00e9ve@example.com"),
    ("stra\u00dfe@example.org", "STRASSE@example.org"),
    ("ada@B\u00dcCHER.example", "ada@xn--bcher-kva.example"),
    ("ada@b\u00fccher\u3002example", "ada@xn--bcher-kva.example"),
    ("ada@example.org.", "ada@example.org"),
    ("\u212bngstr\u00f6m@example.org", "\u00e5ngstro\u0308m@example.org"),
    ("x@stra\u00dfe.example", "x@xn--strae-oqa.example"),
    ("x@Stra\u00dfe.EXAMPLE", "x@XN--STRAE-OQA.example"),
    ("x@\u03b2\u03cc\u03bb\u03bf\u03c2.example", "x@xn--nxasmm1c.example"),
    ("x@\u0392\u038c\u039b\u039f\u03a3.example", "x@\u03b2\u03cc\u03bb\u03bf\u03c3.example"),
    ("x@\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45\uff0e\uff43\uff4f\uff4d", "x@example.com"),
    ("x@\u0dc1\u0dca\u200d\u0dbb\u0dd3.example", "x@xn--10cl1a0b660p.example"),
]
OTHERS = [
    ("ada@example.org", "ada@example.com"),
    ("a.da@example.org", "ada@example.org"),
    ("ada+x@example.org", "ada@example.org"),
    ("x@stra\u00dfe.example", "x@strasse.example"),
    ("x@xn--strae-oqa.example", "x@strasse.example"),
    ("x@\u03b2\u03cc\u03bb\u03bf\u03c2.example", "x@\u03b2\u03cc\u03bb\u03bf\u03c3.example"),
    ("x@\u0dc1\u0dca\u200d\u0dbb\u0dd3.example", "x@\u0dc1\u0dca\u0dbb\u0dd3.example"),
]
NO_DOMAINS = [
    "xn--a.example",
    "xn--abc.example",
    "xn--strasse-.example",
    "\u2603.example",
    "ab--cd.example",
    "-a.example",
    "a_b.example",
    "a\u200db.example",
    "\u0301a.example",
    "a..example",
    "",
    f"{'a' * 64}.example",
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_address_are_one(one: str, other: str) -> None:
    """Case, width, composition and the spelling of the domain make no difference."""
    assert canonical_email(one) == canonical_email(other)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_different_addresses_stay_different(one: str, other: str) -> None:
    """Domains are compared as DNS compares them, and no provider's habits are guessed at."""
    assert canonical_email(one) != canonical_email(other)


@pytest.mark.parametrize("domain", NO_DOMAINS)
def test_what_is_no_domain(domain: str) -> None:
    """No mail is taken for what IDNA 2008 does not know, and its form is no address's."""
    assert ascii_domain(domain) is None
    assert not is_email(f"ada@{domain}")
    assert not is_email(canonical_email(f"ada@{domain}"))


@pytest.mark.parametrize("address", [each.strip() for pair in SAME + OTHERS for each in pair])
def test_the_form_is_an_address_again(address: str) -> None:
    """Applying the rule twice does no more than once."""
    once = canonical_email(address)

    assert once == canonical_email(once)


@given(st.text(max_size=20), st.text(alphabet="abcdefghij-.\u00fc\u00df\u8a9e\u03c2", max_size=20))
def test_every_domain_has_one_form(local: str, domain: str) -> None:
    """The form of the form is the form, whatever was typed."""
    form = ascii_domain(domain)

    assert form is None or ascii_domain(form) == form
    assert form is None or canonical_email(f"{local}@{domain}.").endswith(f"@{form}")


def test_domains_can_be_read() -> None:
    """The readable form has the letters that A-labels stand for."""
    assert readable_email("X@XN--STRAE-OQA.example") == "x@stra\u00dfe.example"
    assert readable_email("X@Example.org") == "x@example.org"
    assert readable_email("no at") == "no at"
