"""Metrics: named by the conventions, with few labels, and all on the page."""

import re

from tests.tidy import metrics_page

UNBOUNDED = frozenset({"id", "user_id", "request_id", "trace_id", "path", "address", "email", "client", "ip"})


def test_page_is_as_the_code() -> None:
    """docs/metrics.md is what `python -m tests.tidy.metrics_page` writes."""
    assert metrics_page.PAGE.read_text(encoding="utf-8") == metrics_page.page()


def test_names_follow_the_conventions() -> None:
    """snake_case; a time is in seconds and says so last; only counters end in `_total`."""
    odd = {
        each.name
        for each in metrics_page.declarations()
        if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", each.name)
        or re.search(r"_(ms|milliseconds|minutes|hours|kib|mb|percent)(_|$)", each.name)
        or (each.kind == "histogram" and not each.unit)
        or (each.kind != "counter" and each.name.endswith("_total"))
    }

    assert set() == odd


def test_labels_are_bounded() -> None:
    """No label holds what there is one of for each request or user."""
    unbounded = {each.name for each in metrics_page.declarations() if UNBOUNDED & set(each.labels)}

    assert set() == unbounded


def test_every_metric_is_reported_by_a_service() -> None:
    """A metric whose module no program needs is never seen."""
    unseen = {each.name for each in metrics_page.declarations() if not each.services}

    assert set() == unseen
