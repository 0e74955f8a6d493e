"""Values that stand as examples in the OpenAPI document, made from its schemas and the names of the fields."""

import re
from collections.abc import Mapping
from typing import Any, Final

from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.common.views import camel

Schema = Mapping[str, Any]

_BY_NAME: Final[Mapping[str, object]] = {
    "accessToken": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c3JfMDEifQ.c2lnbmF0dXJl",
    "actorId": "usr_01h455vb4pex5vsknk084sn02q",
    "action": "session.cancelled",
    "ahead": 41,
    "admittedUpTo": 958,
    "adminNote": "We spoke with the driver. Thank you for telling us.",
    "alg": "EdDSA",
    "amount": 31.00,
    "availableSeats": 12,
    "baseFare": 15.00,
    "bic": "NBEGEGCX",
    "body": "2 seats from Ramses Square. Show your ticket to the driver.",
    "captured": 435.00,
    "code": "M7",
    "crv": "Ed25519",
    "csvSha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "currency": "EGP",
    "cursor": "wHRUqrVhWyIyIl0",
    "declineReason": "insufficient_funds",
    "displayName": "Mona",
    "distanceM": 350,
    "estimatedWaitSeconds": 3,
    "earned": 420.00,
    "entity": "booking",
    "entityId": "bkg_01h455vb4pex5vsknk084sn02q",
    "expiresIn": 600,
    "fare": 15.00,
    "fareAmount": 30.00,
    "gateway": "sandbox",
    "gatewayReference": "ch_1001",
    "gross": 435.00,
    "grossAmount": 435.00,
    "holder": "Mona Ali",
    "iban": "EG•• •••• 0002",
    "insideMax": 200,
    "join": "/sessions/ses_01h455vb4pex5vsknk084sn02q/waiting-room/join",
    "kid": "3f6f0a2d5e11",
    "kty": "OKP",
    "language": "ar",
    "latitude": 30.0626,
    "licenseNumber": "29901011234567",
    "limit": 20,
    "longitude": 31.2467,
    "madeByAdmin": "usr_01h455vb4pex5vsknk084sn02q",
    "markedRead": 3,
    "message": "The driver did not stop at my station.",
    "method": "CARD",
    "name": "Ramses Square",
    "nameAr": "ميدان رمسيس",
    "nameEn": "Ramses Square",
    "near": "30.0626,31.2467",
    "note": "They settled it on 3 May.",
    "number": 1000,
    "netAmount": 420.00,
    "nextCursor": "wHRUqrVhWyIyIl0",
    "orderId": "rfo_01h455vb4pex5vsknk084sn02q",
    "orderedBy": "usr_01h455vb4pex5vsknk084sn02q",
    "owner": "sandbox",
    "paidOut": 420.00,
    "payableId": "bkg_01h455vb4pex5vsknk084sn02q",
    "payableKind": "booking",
    "payeeId": "usr_01h455vb4pex5vsknk084sn02q",
    "payments": 15,
    "perSecond": 20.0,
    "phone": "+201000012345",
    "q": "Ramses",
    "quantity": 2,
    "radiusM": 1500,
    "reason": "The engine does not start.",
    "reference": "dp_1001",
    "refreshToken": "hfr_5T0vSAvXb1yRkq3w8cJ2n6mZ4pL7dFhG",
    "refundAmount": 30.00,
    "refundStatus": "PENDING",
    "refunded": 0.00,
    "refundedAmount": 0.00,
    "routeName": "Ramses - Abbaseya",
    "seats": 2,
    "seatsCount": 2,
    "serviceFee": 1.00,
    "serviceFees": 15.00,
    "status": "CONFIRMED",
    "stationName": "Ramses Square",
    "subject": "pay_01h455vb4pex5vsknk084sn02q",
    "ticket": "AAAAAAAAA-jIhpXGlYpE1Yk0tq9m4Hc2",
    "timezone": "Africa/Cairo",
    "title": "Your seats are booked",
    "token": "tok_success",
    "tokenType": "Bearer",
    "totalAmount": 31.00,
    "totalSeats": 14,
    "type": "booking.confirmed",
    "unreadCount": 3,
    "url": "https://gateway.example/3ds/1001",
    "use": "sig",
    "usualSeats": 14,
    "vehicleNumber": "ق ه و 1234",
    "vehicleType": "microbus",
    "version": 3,
    "week": "2026-W48",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "xmlSha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    "zone": "Africa/Cairo",
}
_BY_OWNER: Final[Mapping[tuple[str, str], object]] = {
    ("BatchView", "id"): "pbt_01h455vb4pex5vsknk084sn02q",
    ("UserView", "name"): "Mona Ali",
}
# What has not happened yet in the story that the examples tell.
_NOT_YET: Final = frozenset(
    {
        "admittedUntil",
        "approvedAt",
        "approvedByAdmin",
        "batchId",
        "decidedAt",
        "decidedBy",
        "declineReason",
        "endReason",
        "endedAt",
        "nextAction",
        "paidAt",
        "refunds",
        "rejectReason",
        "rejectedAt",
        "rejectionReason",
        "resolvedAt",
        "resolvedBy",
        "returnReason",
        "returnedAt",
        "settlement",
        "unknownSince",
    }
)
# Of an enumeration the first of these, so that the examples tell one story: seats held, paid for, and ridden.
_CHOICES: Final = ("PENDING", "SUCCESS", "ACTIVE", "OPEN", "PASSENGER", "CARD", "ar")
# Fields that depend on each other.
_BY_SCHEMA: Final[Mapping[str, Mapping[str, object]]] = {
    "PayRequest": {"holdId": "hld_01h455vb4pex5vsknk084sn02q", "method": "CARD", "token": "tok_success"},
    "RouteChanges": {"baseFare": 16.00, "isActive": True},
    "RouteStations": {"stationIds": ["stn_01h455vb4pex5vsknk084sn02q", "stn_01h455vb4pex5vsknk084sn03r"]},
    "StationChanges": {"nameEn": "Ramses Square, north side"},
    "StationRequest": {"nameEn": "Ramses Square", "nameAr": "ميدان رمسيس", "latitude": 30.0626, "longitude": 31.2467},
    "RouteRequest": {
        "nameEn": "Ramses - Abbaseya",
        "nameAr": "رمسيس - العباسية",
        "baseFare": 15.00,
        "stationIds": ["stn_01h455vb4pex5vsknk084sn02q", "stn_01h455vb4pex5vsknk084sn03r"],
    },
}
_BY_FORMAT: Final[Mapping[str, object]] = {
    "date-time": "2026-05-01T12:30:00Z",
    "date": "2026-05-01",
    "time": "18:30:00",
    "uuid": "0190a7c4-6d3e-7c52-9b1f-3f6f0a2d5e11",
    "decimal": 15.00,
    "duration": "PT5M",
}
_BY_TYPE: Final[Mapping[str, object]] = {"string": "text", "integer": 1, "number": 15.00, "boolean": True, "null": None}
_INSTANT: Final = re.compile(r"(^at$|^since|^until|[a-z](At|Since|Until))$")
_NUMBERS: Final = ("max", "min", "available", "live", "seats", "after", "left", "count", "tries", "routes")
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


def is_instant(name: str) -> bool:
    """Whether a field of this name holds an instant: ``expiresAt``."""
    return _INSTANT.search(name) is not None


class Examples:
    """Makes examples of the schemas of one document."""

    def __init__(self, components: Mapping[str, Schema]) -> None:
        self._components = components
        self._ids = ids_by_name()

    def of(self, schema: Schema, name: str = "", owner: str = "", depth: int = 0) -> Any:  # noqa: PLR0911 - one way for each sort of schema.
        """A value that fits the schema; ``name`` is the field's and ``owner`` the schema's that it belongs to."""
        if "$ref" in schema:
            title = schema["$ref"].rpartition("/")[2]
            return _BY_SCHEMA.get(title) or self.of(self._components[title], name, title, depth + 1)
        if schema.get("examples"):
            return schema["examples"][0]
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return next((choice for choice in _CHOICES if choice in schema["enum"]), schema["enum"][0])
        if "anyOf" in schema:
            choices = [choice for choice in schema["anyOf"] if choice.get("type") != "null"]
            is_null = not choices or (name in _NOT_YET and len(choices) < len(schema["anyOf"]))
            return None if is_null else self.of(choices[0], name, owner, depth)
        if schema.get("type") == "object":
            return self._object(schema, owner, depth) if depth < _DEPTH_MAX else {}
        if schema.get("type") == "array":
            return (
                []
                if name in _NOT_YET
                else [self.of(schema.get("items", {}), name.removesuffix("s"), owner, depth + 1)]
                if depth < _DEPTH_MAX
                else []
            )
        return self._plain(schema, name, owner)

    def _object(self, schema: Schema, owner: str, depth: int) -> dict[str, object]:
        """What must be there; and everything, where nothing must."""
        properties: Mapping[str, Schema] = schema.get("properties", {})
        shown = schema.get("required") or properties.keys()
        return {key: self.of(value, key, owner, depth + 1) for key, value in properties.items() if key in shown}

    def _plain(self, schema: Schema, name: str, owner: str) -> Any:
        found = self._named(name, owner)
        if found is None or not _fits(found, schema):
            found = _BY_FORMAT.get(schema.get("format", ""))
        if found is None:
            found = schema.get("default") or _BY_TYPE.get(schema.get("type", ""))
        if isinstance(found, int | float) and not isinstance(found, bool):
            return max(found, schema.get("minimum", found))
        return found[: schema.get("maxLength", len(found))] if isinstance(found, str) else found

    def _named(self, name: str, owner: str) -> object:
        if (owner, name) in _BY_OWNER:
            return _BY_OWNER[owner, name]
        if name == "id":
            # The ``id`` of a RouteWithStationsView is the route's.
            places = {kind: owner.lower().find(kind.removesuffix("Id").lower()) for kind in self._ids}
            name = min((kind for kind in places if places[kind] >= 0), key=lambda kind: (places[kind], -len(kind)), default="id")
        kind = self._ids.get(name) or self._ids.get(f"{name}Id")
        if kind is not None and name not in _BY_NAME:
            return id_example(kind)
        return _BY_FORMAT["date-time"] if is_instant(name) else _BY_NAME.get(name)


def sample_fact(name: str) -> object:
    """A value for a fact of a refusal, to show its problem in the document."""
    ids = ids_by_name()
    if camel(name) in ids:
        return ids[camel(name)](int=0x0190A7C46D3E7C529B1F3F6F0A2D5E11)
    if is_instant(camel(name)):
        return _BY_FORMAT["date-time"]
    if name in ("price", "fare", "amount", "balance", "due", "missing", "total"):
        return Amount("EGP", 3100)
    return _BY_NAME.get(camel(name), 1 if name.endswith(_NUMBERS) else "...")


def _fits(value: object, schema: Schema) -> bool:
    if "pattern" in schema and not (isinstance(value, str) and re.search(schema["pattern"], value)):
        return False
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
