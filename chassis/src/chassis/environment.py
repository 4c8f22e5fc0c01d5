"""A base class for settings that are read from environment variables.

The package `pydantic-settings` reads files, command lines and cloud vaults as well: importing all of that
costs each start 3 % and each process 3 MB.
"""

import json
import os
from typing import Any, ClassVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict


class NotJsonError(Exception):
    """A variable that holds an object is not JSON.

    Attributes:
        variable: Its name.
    """

    def __init__(self, variable: str) -> None:
        super().__init__(variable)
        self.variable = variable


class EnvironmentSettings(BaseModel):
    """Settings from variables that are called as the fields are, in upper case and with `env_prefix` before.

    A field with a `validation_alias` is read from the variable of that name. A field that is a dict is read
    from a JSON object. An empty variable counts as not set. Values that the caller gives replace variables.

    Raises:
        NotJsonError: a variable that holds an object is not JSON.
        ValidationError: variables are missing or wrong.
    """

    # Only what is instantiated is built: a process reads one of these classes and imports several.
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, defer_build=True)

    env_prefix: ClassVar[str] = ""

    def __init__(self, **values: Any) -> None:
        read: dict[str, Any] = {}
        for field, info in type(self).model_fields.items():
            variable = environment_name(type(self), field)
            text = os.environ.get(variable, "")
            if text and not values.keys() & {field, variable}:
                is_object = dict in (get_origin(info.annotation), *map(get_origin, get_args(info.annotation)))
                read[str(info.validation_alias or field)] = _parsed(variable, text) if is_object else text
        super().__init__(**read, **values)


def environment_name(settings: type[EnvironmentSettings], field: str) -> str:
    """Returns the name of the variable that sets a field."""
    info = settings.model_fields.get(field)
    if info is not None and isinstance(info.validation_alias, str):
        return info.validation_alias
    if any(known.validation_alias == field for known in settings.model_fields.values()):
        return field
    return f"{settings.env_prefix}{field}".upper()


def _parsed(variable: str, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise NotJsonError(variable) from error
