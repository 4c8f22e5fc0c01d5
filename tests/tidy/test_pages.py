"""Pages that a script writes are as it writes them."""

from vestibule.events.v1.events_pb2 import Event

from tests.tidy import catalog_page, openapi_file, tree


def test_catalog_is_up_to_date() -> None:
    """docs/service-catalog.md is what `make docs` writes."""
    assert catalog_page.PAGE.read_text(encoding="utf-8") == catalog_page.page()


def test_catalog_has_every_event() -> None:
    """Each event of the protos has a service that commits it and one that listens."""
    payloads = {field.message_type.name for field in Event.DESCRIPTOR.oneofs_by_name["payload"].fields}

    assert payloads == catalog_page.EVENTS.keys()
    assert {
        name for source, listeners in catalog_page.EVENTS.values() for name in (source, *listeners)
    } <= set(tree.services())


def test_openapi_file_is_up_to_date() -> None:
    """docs/openapi.json is what `make docs` writes."""
    assert openapi_file.FILE.read_text(encoding="utf-8") == openapi_file.document()
