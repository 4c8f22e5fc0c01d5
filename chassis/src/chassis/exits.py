"""Exit statuses, by which a Job knows what another attempt can mend (those of `sysexits.h`)."""

TRANSIENT = 75
"""Something was away: another attempt may succeed."""

DATA = 65
"""A migration fails on what is in the database; what it began was rolled back."""

CONFIG = 78
"""A setting, a password or a right is wrong: no attempt succeeds until it is mended."""

PERMANENT = (DATA, CONFIG)
"""What no other attempt can mend."""
