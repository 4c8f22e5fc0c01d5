"""Pydantic models of messages, made from their descriptors."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Union
from uuid import UUID

from chassis.grpc.field_rules import Form, constraints, field_rules
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from pydantic import BaseModel, ConfigDict, EmailStr, Field, create_model

from gateway.api.fields import OBJECT, TIMESTAMP, enum_names, in_json, is_map, only_oneof, takes_null

_SCALARS: Mapping[int, Any] = {
    FieldDescriptor.CPPTYPE_STRING: str,
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_DOUBLE: float,
    FieldDescriptor.CPPTYPE_FLOAT: float,
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_INT64: int,
    FieldDescriptor.CPPTYPE_UINT32: int,
    FieldDescriptor.CPPTYPE_UINT64: int,
}


class Models:
    """Makes one model per message, with the protos' comments and constraints."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        self._comments = comments
        self._made: dict[str, Any] = {}

    def request(self, name: str, fields: Iterable[FieldDescriptor]) -> type[BaseModel]:
        """Returns the model of a request body: unknown fields are refused."""
        members: dict[str, Any] = {}
        for field in fields:
            default = ... if constraints(field).required else None
            described = Field(default=default, **self._described(field), **self.constraints(field))
            annotation = self.annotation(field)
            members[field.name] = (annotation | None if takes_null(field) else annotation, described)
        return create_model(name, __config__=ConfigDict(extra="forbid"), **members)

    def response(self, message: Descriptor, field: FieldDescriptor | None) -> Any:
        """Returns the model of a response's data."""
        if field is None:
            return self.message(message)
        return self.annotation(field)

    def message(self, message: Descriptor) -> Any:
        """Returns the model of a message in responses: every field is present."""
        if message.full_name == TIMESTAMP:
            return datetime
        if message.full_name == OBJECT:
            return dict[str, Any]
        if message.full_name in self._made:
            return self._made[message.full_name]
        oneof = only_oneof(message)
        if oneof is not None:
            choices = tuple(self.annotation(field) for field in oneof.fields)
            made: Any = Union[choices]  # noqa: UP007 from a tuple
        else:
            members = {field.name: (self._response_annotation(field), ...) for field in in_json(message)}
            made = create_model(
                message.name,
                __config__=ConfigDict(extra="forbid"),
                __doc__=self._comments.get(message.full_name),
                **members,  # type: ignore[call-overload]
            )
        self._made[message.full_name] = made
        return made

    def annotation(self, field: FieldDescriptor) -> Any:
        """Returns a field's type, without its constraints."""
        if is_map(field):
            assert field.message_type is not None  # noqa: S101 maps are lists of entry messages
            value = self._single(field.message_type.fields_by_name["value"])
            return dict[str, value]  # type: ignore[valid-type]
        single = self._single(field)
        return list[single] if field.is_repeated else single  # type: ignore[valid-type]

    def constraints(self, field: FieldDescriptor) -> dict[str, Any]:
        """Returns a field's constraints as arguments of Pydantic's `Field`."""
        allowed = constraints(field)
        options: dict[str, Any] = {}
        is_text = field.cpp_type == FieldDescriptor.CPPTYPE_STRING and not allowed.one_of
        if field.is_repeated or (is_text and allowed.form not in (Form.UUID, Form.EMAIL)):
            least = allowed.length_min or (1 if allowed.required else 0)
            options |= {"min_length": least} if least else {}
        if allowed.length_max and (field.is_repeated or (is_text and allowed.form != Form.UUID)):
            options["max_length"] = allowed.length_max
        if allowed.minimum is not None:
            options["ge"] = allowed.minimum
        if allowed.maximum is not None:
            options["le"] = allowed.maximum
        if example := field_rules(field).example:
            options["examples"] = [json.loads(example)]
        return options

    def _single(self, field: FieldDescriptor) -> Any:
        allowed = constraints(field)
        if field.is_repeated and allowed.items:
            allowed = allowed.items
        if field.message_type is not None:
            return self.message(field.message_type)
        if field.enum_type is not None:
            return Literal.__getitem__(tuple(enum_names(field.enum_type).values()))
        if allowed.one_of:
            return Literal.__getitem__(allowed.one_of)
        if allowed.form == Form.UUID:
            return UUID
        if allowed.form == Form.EMAIL:
            return EmailStr
        return _SCALARS[field.cpp_type]

    def _response_annotation(self, field: FieldDescriptor) -> Any:
        annotation = self.annotation(field)
        if field.has_presence and not field.is_repeated:
            annotation = annotation | None
        return Annotated[annotation, Field(**self._described(field))]

    def _described(self, field: FieldDescriptor) -> dict[str, Any]:
        comment = self._comments.get(field.full_name)
        return {"description": comment} if comment else {}
