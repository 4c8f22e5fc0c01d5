"""Every list of the API is cut into pages, by the same fields."""

from chassis.grpc.field_rules import field_rules
from gateway.api import descriptors
from gateway.api.fields import PAGINATION
from gateway.api.routes import Route, compile_routes
from google.protobuf.descriptor import FieldDescriptor

PAGE_FIELDS = {
    "page": (FieldDescriptor.CPPTYPE_INT32, "1"),
    "page_size": (FieldDescriptor.CPPTYPE_INT32, "20"),
    "cursor": (FieldDescriptor.CPPTYPE_STRING, ""),
}


def _lists() -> list[Route]:
    """Returns the routes under `/api/` whose data is a list."""
    routes = compile_routes(descriptors.load().services)
    return [
        route
        for route in routes
        if route.enveloped and route.response_field is not None and route.response_field.is_repeated
    ]


def test_there_are_lists() -> None:
    """The test looks at something."""
    assert {"/api/users", "/api/auth/sessions", "/api/admin/audit-events"} <= {
        route.template for route in _lists()
    }


def test_every_list_has_pages() -> None:
    """The answer says where the page stands, and the request may ask for another."""
    for route in _lists():
        method = route.policy.descriptor
        answers = [field.message_type for field in method.output_type.fields if field.message_type]
        assert any(each.full_name == PAGINATION for each in answers), f"{method.full_name}: no pagination"
        fields = method.input_type.fields_by_name
        for name, (kind, default) in PAGE_FIELDS.items():
            field = fields.get(name)
            assert field is not None, f"{method.full_name}: the request has no `{name}`"
            given = field_rules(field).default_value
            assert (field.cpp_type, field.has_presence) == (kind, True), f"{method.full_name}: `{name}`"
            assert given == default, f"{method.full_name}: `{name}` defaults to {given}"


def test_what_is_called_a_list_is_one() -> None:
    """A method `List…` with a route answers rows, not an object that holds them."""
    lists = {route.policy.path for route in _lists()}
    for route in compile_routes(descriptors.load().services):
        if route.policy.descriptor.name.startswith("List"):
            assert route.policy.path in lists, route.policy.path
