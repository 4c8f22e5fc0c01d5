"""What surrounds the content of the status pages: head, header, footer."""

from health_aggregator.page import glyphs
from health_aggregator.page.words import Words, catalogs


def document(
    words: Words,
    name: str,
    main: str,
    footer: str,
    *,
    title: str,
    skip_to: str,
    home: str = "/",
    seconds: int | None = None,
) -> str:
    """Returns a whole document.

    Args:
        words: The language.
        name: The page's part of the catalog, which names it in the header (`name`) and in the link that skips
            to the content (`skip`).
        main: The content (HTML).
        footer: What the footer says besides (HTML).
        title: The document's title, with HTML escaped.
        skip_to: Identifier of the content's first heading.
        home: Where the name in the header leads.
        seconds: How often the script refreshes the page; None for at each event of the health stream.
    """
    refreshed = "" if seconds is None else f' data-seconds="{seconds}"'
    return (
        f'<!doctype html>\n<html lang="{words.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title>"
        '<link rel="stylesheet" href="/status/style.css">'
        '<link rel="icon" href="/status/badge/system.svg" type="image/svg+xml">'
        '<script src="/status/live.js" defer></script>'
        f'<noscript><meta http-equiv="refresh" content="15"></noscript></head><body{refreshed}>'
        f"{glyphs.sprite()}"
        f'<a class="skip" href="#{skip_to}">{words(f"{name}.skip")}</a>'
        f'<header><p class="brand"><a href="{home}">Vestibule</a> <span>{words(f"{name}.name")}</span></p>'
        f'<p id="live" class="live" data-on="{words("live.on")}" data-off="{words("live.off")}" hidden>'
        '<span class="dot" aria-hidden="true"></span><span id="live-word"></span></p></header>'
        '<p id="announce" class="unseen" role="status" aria-live="polite"></p>'
        f"<main>{main}</main>"
        f"<footer><p>{words('footer')} {footer}</p>{_languages(words)}</footer></body></html>\n"
    )


def _languages(words: Words) -> str:
    """Returns buttons which the script brings to life: it stores the choice in a cookie."""
    buttons = ""
    for tag, catalog in catalogs().items():
        current = ' aria-current="true"' if tag == words.language else ""
        attributes = f'type="button" class="plain" lang="{tag}" data-language="{tag}"{current}'
        buttons += f"<button {attributes}>{catalog('language')}</button>"
    return f'<nav class="languages" aria-label="{words("languages")}" hidden>{buttons}</nav>'
