"""The catalogs of pages and mails."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from chassis.pages.catalog import FALLBACK, Catalog, preferred, read_catalogs


@cache
def catalogs() -> Mapping[str, Catalog]:
    """Returns every catalog by language."""
    return read_catalogs(files("auth_service.languages"))


def choose(chosen: str, accept_language: str, fallback: str = FALLBACK) -> Catalog:
    """Returns the catalog of the language that the user chose, else of the one the browser prefers most."""
    return preferred(catalogs(), chosen, accept_language, fallback)
