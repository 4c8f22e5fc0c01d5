"""Messages of the pages by language, and formats for times and shares."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files

from chassis.dataclass import dataclass
from chassis.pages.catalog import Catalog, read_catalogs


@cache
def catalogs() -> Mapping[str, Catalog]:
    """Returns every catalog by language."""
    return read_catalogs(files("health_aggregator.languages"))


@dataclass(frozen=True, slots=True)
class Words:
    """What the pages say in one language."""

    catalog: Catalog

    def __call__(self, name: str, **values: object) -> str:
        """Returns a message as HTML; the values are HTML."""
        return self.catalog(name, **values)

    @property
    def language(self) -> str:
        """Tag of the language (BCP 47)."""
        return self.catalog.language

    def number(self, text: str) -> str:
        """Returns a number with the language's decimal mark."""
        return text.replace(".", self.catalog("decimal"))

    def milliseconds(self, seconds: float) -> str:
        """Returns a time in milliseconds, without the unit, to three digits."""
        return self.number(f"{seconds * 1000:.3g}")

    def percent(self, share: float) -> str:
        """Returns a share as a percentage."""
        return self.number(percent(share))


def time_element(at: datetime, shown: str = "") -> str:
    """Returns a time as HTML, shown as the time itself or as given."""
    return f'<time datetime="{at:%Y-%m-%dT%H:%M:%S}Z">{shown or f"{at:%Y-%m-%d %H:%M:%S} UTC"}</time>'


def duration(length: timedelta) -> str:
    """Returns a length of time in its two largest units."""
    seconds = max(0, int(length.total_seconds()))
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    parts = []
    for size, name in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def percent(share: float) -> str:
    """Returns a share as a percentage that never rounds up to 100."""
    if share >= 1:
        return "100 %"
    return f"{min(share * 100, 99.99):.2f} %"
