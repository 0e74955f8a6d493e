"""Values that stand as examples in the OpenAPI document, made from its schemas and the names of the fields."""

from collections.abc import Mapping
from typing import Any, Final

from holdfast.common.ids import Id
from holdfast.common.money import Amount

Schema = Mapping[str, Any]

_BY_NAME: Final[Mapping[str, object]] = {
    "phone": "+201000012345",
    "otp": "000000",
    "language": "en",
    "name": "Ramses Square",
    "nameEn": "Ramses Square",
    "nameAr": "ميدان رمسيس",
    "displayName": "Mona",
    "latitude": 30.0626,
    "longitude": 31.2467,
    "near": "30.0626,31.2467",
    "currency": "EGP",
    "timezone": "Africa/Cairo",
    "zone": "Africa/Cairo",
    "baseFare": 15.00,
    "fare": 15.00,
    "fareAmount": 30.00,
    "serviceFee": 1.00,
    "totalAmount": 31.00,
    "grossAmount": 450.00,
    "serviceFees": 14.00,
    "netAmount": 436.00,
    "amount": 30.00,
    "balance": 200.00,
    "seatsCount": 2,
    "totalSeats": 14,
    "availableSeats": 12,
    "seats": 2,
    "token": "tok_ok",
    "vehicleNumber": "ق ه و 1234",
    "vehicleType": "microbus",
    "licenseNumber": "29901011234567",
    "message": "The driver did not stop at my station.",
    "reason": "The engine does not start.",
    "cursor": "wHRUqrVhWyIyIl0",
    "nextCursor": None,
    "limit": 20,
    "total": 217,
    "version": 3,
}
_BY_FORMAT: Final[Mapping[str, object]] = {
    "date-time": "2026-05-01T12:30:00Z",
    "date": "2026-05-01",
    "time": "18:30:00",
    "uuid": "0190a7c4-6d3e-7c52-9b1f-3f6f0a2d5e11",
    "decimal": 15.00,
    "duration": "PT5M",
}
_BY_TYPE: Final[Mapping[str, object]] = {"string": "text", "integer": 1, "number": 1.0, "boolean": True, "null": None}
_DEPTH_MAX: Final = 8


def id_example(kind: type[Id]) -> str:
    return f"{kind.prefix}_01h455vb4pex5vsknk084sn02q"


def ids_by_name() -> Mapping[str, type[Id]]:
    """Every kind of id by the name of a field that holds one: ``bookingId``."""
    found: dict[str, type[Id]] = {}
    todo = Id.__subclasses__()
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        found[kind.__name__[0].lower() + kind.__name__[1:]] = kind
    return found


class Examples:
    """Makes examples of the schemas of one document."""

    def __init__(self, components: Mapping[str, Schema]) -> None:
        self._components = components
        self._ids = ids_by_name()

    def of(self, schema: Schema, name: str = "", owner: str = "", depth: int = 0) -> Any:  # noqa: PLR0911 - one way for each sort of schema.
        """A value that fits the schema; ``name`` is the field's and ``owner`` the schema's that it belongs to."""
        if "$ref" in schema:
            title = schema["$ref"].rpartition("/")[2]
            return self.of(self._components[title], name, title, depth + 1)
        if schema.get("examples"):
            return schema["examples"][0]
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        if "anyOf" in schema:
            choices = [choice for choice in schema["anyOf"] if choice.get("type") != "null"]
            return self.of(choices[0], name, owner, depth) if choices else None
        if schema.get("type") == "object":
            properties: Mapping[str, Schema] = schema.get("properties", {})
            return {key: self.of(value, key, owner, depth + 1) for key, value in properties.items()} if depth < _DEPTH_MAX else {}
        if schema.get("type") == "array":
            return [self.of(schema.get("items", {}), name.removesuffix("s"), owner, depth + 1)] if depth < _DEPTH_MAX else []
        return self._plain(schema, name, owner)

    def _plain(self, schema: Schema, name: str, owner: str) -> Any:
        kind = self._ids.get(name) or (self._ids.get(_lower_first(owner.removesuffix("View")) + "Id") if name == "id" else None)
        found = id_example(kind) if kind is not None else _BY_NAME.get(name, _BY_FORMAT.get(schema.get("format", "")))
        if found is None or not _fits(found, schema):
            found = schema.get("default") or _BY_TYPE.get(schema.get("type", ""), None)
        if isinstance(found, int | float) and not isinstance(found, bool) and found < schema.get("minimum", found):
            found = schema["minimum"]
        if isinstance(found, str):
            found = found[: schema.get("maxLength", len(found))]
        return found


def sample_fact(name: str) -> object:
    """A value for a fact of a refusal, to show its problem in the document."""
    ids = ids_by_name()
    first, *rest = name.split("_")
    camel_name = first + "".join(word.capitalize() for word in rest)
    if camel_name in ids:
        return ids[camel_name](int=0x0190A7C46D3E7C529B1F3F6F0A2D5E11)
    if name.endswith(("_at", "until", "deadline")):
        return _BY_FORMAT["date-time"]
    if name in ("price", "fare", "amount", "balance", "due", "missing", "total"):
        return Amount("EGP", 3100)
    return _BY_NAME.get(
        camel_name, 1 if name.endswith(("max", "min", "available", "live", "seats", "after", "left", "count", "tries")) else "..."
    )


def _fits(value: object, schema: Schema) -> bool:
    match schema.get("type"):
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int)
        case "number":
            return isinstance(value, int | float)
        case "boolean":
            return isinstance(value, bool)
        case _:
            return True


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
