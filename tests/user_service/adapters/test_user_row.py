"""What is read of a user's row."""

from dataclasses import fields

from user_service.adapters.postgres.user_row import COLUMNS
from user_service.domain.user import User


def test_columns_come_in_the_order_of_fields() -> None:
    """A row becomes a user by position: two columns of one type would change places unseen."""
    assert [name.strip() for name in COLUMNS.split(",")] == [each.name for each in fields(User)]
