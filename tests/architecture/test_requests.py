"""Every text and number that a client may send has bounds, so that the database never meets one that it cannot take."""

from collections.abc import Iterator
from typing import Any

import msgspec.inspect as mi
import pytest
from litestar.routes import HTTPRoute

from holdfast.app.edge.bodies import INT_MAX
from holdfast.app.edge.plans import Plan
from holdfast.app.http import create_app
from holdfast.app.wiring import build_program
from holdfast.config import Settings

TEXT_MAX = 10_000
LIST_MAX = 1_000


def plans() -> list[tuple[str, Plan]]:
    settings = Settings(_env_file=None, database_url="postgresql://holdfast_app@127.0.0.1:1/none")  # type: ignore[call-arg]
    app: Any = create_app(build_program(settings))._app
    return [
        (f"{min(handler.http_methods)} {route.path}", Plan.of(handler))
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if handler.http_methods != {"OPTIONS"}
    ]


PLANS = dict(plans())


@pytest.mark.parametrize("name", sorted(name for name, plan in PLANS.items() if plan.annotation is not None))
def test_a_body_has_bounds(name: str) -> None:
    assert sorted(unbounded(mi.type_info(PLANS[name].annotation), "")) == []


@pytest.mark.parametrize("name", sorted(name for name, plan in PLANS.items() if plan.parameters))
def test_parameters_have_bounds(name: str) -> None:
    # A text of a path or a query is at most as long as the line of the request.
    found = [place for parameter in PLANS[name].parameters for place in unbounded(mi.type_info(parameter.annotation), parameter.name)]
    assert sorted(place for place in found if "text" not in place) == []


def unbounded(info: mi.Type, path: str) -> Iterator[str]:  # noqa: PLR0912 - one branch for each sort of type.
    match info:
        case mi.Metadata():
            yield from unbounded(info.type, path)
        case mi.StructType():
            if not info.forbid_unknown_fields:
                yield f"{path or info.cls.__name__}: takes unknown fields"
            for field in info.fields:
                yield from unbounded(field.type, f"{path}.{field.encode_name}" if path else field.encode_name)
        case mi.UnionType():
            for choice in info.types:
                yield from unbounded(choice, path)
        case mi.ListType() | mi.VarTupleType() | mi.SetType() | mi.FrozenSetType():
            if info.max_length is None or info.max_length > LIST_MAX:
                yield f"{path}: a list of any length"
            yield from unbounded(info.item_type, f"{path}[]")
        case mi.StrType():
            if (info.max_length is None or info.max_length > TEXT_MAX) and info.pattern is None:
                yield f"{path}: a text of any length"
        case mi.IntType() | mi.FloatType():
            if None in (info.ge if info.ge is not None else info.gt, info.le if info.le is not None else info.lt):
                yield f"{path}: a number of any size"
        case mi.DictType() | mi.AnyType():
            yield f"{path}: anything"
        case _:
            return


def test_the_largest_number_fits_the_database() -> None:
    assert INT_MAX < 2**63
