"""A dataclass of ours does what one of the standard library does, with methods that all of them share."""

import dataclasses
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field, replace
from typing import Any

import pytest
from chassis.dataclass import dataclass

Decorator = Callable[..., Any]


def declared(decorator: Decorator, **options: bool) -> Any:
    """Returns a class made by a decorator, with fields of every kind that services have."""

    @decorator(**options)
    class Account:
        """With a default, one that is not shown, and one that is not compared."""

        email: str
        roles: tuple[str, ...] = ()
        secret: str = field(default="", repr=False)
        seen: int = field(default=0, compare=False)

    return Account


def alone(decorator: Decorator) -> Any:
    """Returns a class of one field."""

    @decorator(frozen=True)
    class One:
        number: int

    return One


def empty(decorator: Decorator) -> Any:
    """Returns a class without a field."""

    @decorator(frozen=True)
    class Empty: ...

    return Empty


@pytest.mark.parametrize(
    "options",
    [
        {"frozen": True, "slots": True},
        {"frozen": True},
        {"slots": True},
        {},
        {"frozen": True, "slots": True, "kw_only": True},
        {"frozen": True, "slots": True, "weakref_slot": True},
    ],
)
def test_it_is_compared_hashed_and_shown_as_one_of_the_standard_library(options: dict[str, bool]) -> None:
    """By the fields that take part in it, and only with one of its own class."""
    ours, theirs = declared(dataclass, **options), declared(dataclasses.dataclass, **options)
    values: list[dict[str, Any]] = [
        {"email": "ada@example.test"},
        {"email": "ada@example.test", "seen": 1},
        {"email": "ada@example.test", "secret": "other"},
        {"email": "bob@example.test", "roles": ("admin",)},
    ]
    made = [(ours(**value), theirs(**value)) for value in values]
    for one, another in made:
        assert repr(one) == repr(another)
        assert (type(one).__hash__ is None) == (type(another).__hash__ is None)
        if options.get("frozen"):
            assert hash(one) == hash(another)
        assert one != another
        for other, twin in made:
            assert (one == other) == (another == twin)
        assert replace(one, email="eve@example.test") == replace(one, email="eve@example.test", seen=5)
        assert dataclasses.asdict(one) == dataclasses.asdict(another)


def test_classes_of_one_field_and_of_none() -> None:
    """Values of two classes are never equal."""
    one, none = alone(dataclass), empty(dataclass)
    assert one(3) == one(3) != one(4)
    assert hash(one(3)) == hash(one(3))
    assert none() == none() != one(3)
    assert {none(): 1}[none()] == 1


def test_a_frozen_one_cannot_be_changed() -> None:
    """Neither a field nor a new attribute, also in a class that inherits."""
    base = declared(dataclass, frozen=True)

    @dataclass(frozen=True)
    class Member(base):  # type: ignore[misc, valid-type] # the class is made by a function
        group: str = ""

    member = Member("ada@example.test", group="admins")
    for name in ("email", "group", "unknown"):
        with pytest.raises(FrozenInstanceError, match=f"Member.{name} cannot be changed"):
            setattr(member, name, "")
        with pytest.raises(FrozenInstanceError):
            delattr(member, name)
    assert member.email == "ada@example.test"
    assert member != base("ada@example.test")


def test_one_that_can_be_changed_has_no_hash() -> None:
    """As its equality changes with it."""
    account = declared(dataclass, slots=True)("ada@example.test")
    account.email = "bob@example.test"
    assert account.email == "bob@example.test"
    with pytest.raises(TypeError, match="unhashable"):
        hash(account)


def test_methods_of_the_class_are_kept() -> None:
    """As with the standard library."""

    @dataclass(frozen=True)
    class Name:
        text: str

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Name) and self.text.casefold() == other.text.casefold()

        def __hash__(self) -> int:
            return hash(self.text.casefold())

        def __repr__(self) -> str:
            return "a name"

    assert Name("Ada") == Name("ADA")
    assert {Name("Ada"): 1}[Name("ada")] == 1
    assert repr(Name("Ada")) == "a name"


def test_fields_are_hidden_where_the_class_says_so() -> None:
    """Such as a secret's."""

    @dataclass(frozen=True, slots=True, repr=False)
    class Key:
        secret: str

    assert "hush" not in repr(Key("hush"))


@pytest.mark.parametrize("option", ["eq", "order", "unsafe_hash"])
def test_options_that_would_be_ignored_are_refused(option: str) -> None:
    """Type checkers know the standard library's decorator, which has them."""
    with pytest.raises(TypeError, match=f"chassis.dataclass has no option {option}"):
        declared(dataclass, **{option: True})


def test_methods_are_shared() -> None:
    """So that a class holds none of its own but for what makes a value."""
    first, second = declared(dataclass, frozen=True), alone(dataclass)
    for name in ("__eq__", "__hash__", "__repr__", "__setattr__", "__delattr__"):
        assert getattr(first, name) is getattr(second, name)
