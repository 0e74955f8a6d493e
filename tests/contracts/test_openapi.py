"""schemathesis reads the OpenAPI document and tries everything that it says, and much that it forbids, on the real program."""

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.core.result import Ok
from schemathesis.pytest.lazy import get_all_tests
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from tests.app.edge.test_documents import check_examples
from tests.clusters import Cluster
from tests.world import Person, World, open_world

from holdfast.app.edge.documents import API_VERSION
from holdfast.app.edge.openapi import document
from holdfast.app.http import create_app
from holdfast.app.wiring import build_program
from holdfast.config import Settings

pytestmark = pytest.mark.xdist_group("contracts")


def read_document() -> dict[str, Any]:
    """The document as the program serves it."""
    nowhere = Settings(_env_file=None, database_url="postgresql://holdfast_app@127.0.0.1:1/none")  # type: ignore[call-arg]
    app: Any = create_app(build_program(nowhere))._app
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document(app, version=API_VERSION, url="/")))
    return found


DOCUMENT = read_document()
# HTTP has a status of its own for a version that is missing, and one for a version that is not the present one.
CONFIG = schemathesis.Config.from_dict(
    {
        "checks": {
            "missing_required_header": {"expected-statuses": [400, 401, 403, 422, 428]},
            "negative_data_rejection": {"expected-statuses": [400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 428]},
        }
    }
)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)
SHARE_OF_THINGS_THAT_EXIST = 0.5


class Town:
    """A world in a thread of its own, with somebody of each role and one thing of each kind."""

    def __init__(self, database_url: str, redis_url: str, directory: Path) -> None:
        self.base_url = ""
        self.tokens: dict[str, str] = {}
        self.ids: dict[str, list[str]] = {}
        self._arguments = (database_url, redis_url, directory)
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Town":
        self._thread.start()
        self._ready.wait(60)
        if self._error is not None:
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._live())
        except BaseException as error:
            self._error = error
            self._ready.set()

    async def _live(self) -> None:
        self._end = asyncio.Event()
        async with open_world(*self._arguments, HOLDFAST_ACCESS_TOKEN_MINUTES="60", HOLDFAST_REQUESTS_PER_MINUTE="0") as world:
            await self._settle(world)
            self._ready.set()
            await self._end.wait()

    async def _settle(self, world: World) -> None:
        self.base_url = world.base_url
        driver, session_id = await world.session()
        passenger, admin = await world.person(), await world.admin()
        held = await passenger.hold(session_id)
        paid = await passenger.pay(held.body["holdId"])
        assert paid.status == 201, paid
        second = await passenger.hold(session_id, 2)
        self.tokens = {"PASSENGER": passenger.token, "DRIVER": driver.token, "ADMIN": admin.token}
        self.ids = {
            "sessionId": [session_id],
            "bookingId": [held.body["bookingId"], second.body["bookingId"]],
            "holdId": [second.body["holdId"]],
            "paymentId": [paid.body["id"]],
            "userId": [passenger.user_id, driver.user_id],
            "routeId": [str(world.shop.route_id)],
            "stationId": [str(world.shop.station_id)],
            "driverId": await self._found(admin, "/drivers"),
        }

    async def _found(self, person: Person, path: str) -> list[str]:
        return [row["id"] for row in (await person.get(path)).body["data"]]


@pytest.fixture(scope="module")
def town(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    name = cluster.create_database()
    with Town(cluster.postgres.url("holdfast_app", name), cluster.redis_url, tmp_path_factory.mktemp("contracts")) as opened:
        yield opened
    cluster.drop_database(name)


def test_the_program_serves_the_document(town: Town) -> None:
    served = httpx.get(f"{town.base_url}/api/v1/openapi.json").json()
    assert json.dumps(served, sort_keys=True) == json.dumps(DOCUMENT, sort_keys=True)


def try_out(case: schemathesis.Case[Any], town: Town) -> None:
    """One request, checked against everything that the document says of its answer."""
    [role, *_] = case.operation.definition.raw.get("x-roles") or ["PASSENGER"]
    choice = random.Random(repr((case.path_parameters, case.body)))
    is_negative = case.meta is not None and case.meta.generation.mode.is_negative
    if not is_negative and choice.random() < SHARE_OF_THINGS_THAT_EXIST:
        for name in (case.path_parameters or {}).keys() & town.ids.keys():
            case.path_parameters[name] = choice.choice(town.ids[name])
    # What fits a schema may still be refused: a cursor of another list, a payment for nothing.
    excluded: list[Any] = [positive_data_acceptance]
    if any(value in ([], {}) for value in (case.query or {}).values()):
        # An empty list is meant to be wrong here, but nothing of it is sent.
        excluded.append(negative_data_rejection)
    case.call_and_validate(
        base_url=town.base_url,
        headers={"Authorization": f"Bearer {town.tokens[role]}"},
        excluded_checks=excluded,
    )


OPERATIONS = [(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods]


def test_every_operation_has_examples_that_fit() -> None:
    assert check_examples(DOCUMENT) > 3 * len(OPERATIONS)
    # What stands for a text of which nothing is known: give its field a name in ``app/edge/examples.py``, or its type an example.
    assert '"text"' not in json.dumps(DOCUMENT)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda value: value)
def test_the_program_does_what_the_document_says(method: str, path: str, town: Town, request: pytest.FixtureRequest) -> None:
    def attempt(case: schemathesis.Case[Any]) -> None:
        try_out(case, town)

    # Built here and not by ``SCHEMA.parametrize``, which would take half a minute whenever any test is collected.
    count = 100 if request.config.getoption("--slow") else 5
    effort = settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    schema = SCHEMA.include(method=method, path=path)
    [built] = get_all_tests(schema=schema, test_func=attempt, settings=effort, given_kwargs=None)
    assert isinstance(built, Ok)
    _, test = built.ok()
    test()
