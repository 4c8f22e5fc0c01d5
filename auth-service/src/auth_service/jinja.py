"""Jinja for pages and mails, imported by the first of them: a start does without."""

from typing import TYPE_CHECKING

from chassis import fast_imports

if TYPE_CHECKING:
    from jinja2 import Environment


def environment(package: str, *, keep_trailing_newline: bool = False) -> "Environment":
    """Returns an environment for the folder `templates` of a package; values in HTML are escaped.

    Args:
        package: The full name of the package.
        keep_trailing_newline: Whether what is rendered ends with its template's last newline.
    """
    # Compiled templates stay in memory: the cache on disk would bring 0.7 MB of `pickle` and `tempfile`.
    with fast_imports.without("jinja2.bccache"):
        from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape  # noqa: PLC0415

    return Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=keep_trailing_newline,
    )
