"""The pages as HTML, rendered once per language: they hold no data."""

from dataclasses import field
from functools import cache, partial

from chassis.dataclass import dataclass
from chassis.pages.catalog import Catalog
from google.api.httpbody_pb2 import HttpBody

from auth_service import jinja
from auth_service.languages.catalog import catalogs
from auth_service.pages.files import PageFiles

_templates = cache(partial(jinja.environment, "auth_service.pages"))

_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Documents:
    """Renders the pages.

    Attributes:
        product: What users know the system as.
        files: What the pages load.
    """

    product: str
    files: PageFiles
    _rendered: dict[tuple[str, str], HttpBody] = field(default_factory=dict)

    def page(self, name: str, catalog: Catalog) -> HttpBody:
        """Returns a page, which has a template and a script of its name, in a language."""
        key = (name, catalog.language)
        if key not in self._rendered:
            self._rendered[key] = HttpBody(content_type=_HTML, data=self._render(name, catalog).encode())
        return self._rendered[key]

    def _render(self, name: str, catalog: Catalog) -> str:
        script = f"{name}.js"
        return (
            _templates()
            .get_template(f"{name}.html")
            .render(
                t=partial(catalog, product=self.product),
                language=catalog.language,
                languages=[(each.language, each("language")) for each in catalogs().values()],
                product=self.product,
                file=self.files.path,
                script=script,
                imported=self.files.imported(script),
            )
        )
