"""The document says what the program does, with an example everywhere; Swagger UI comes from here alone."""

import hashlib
import tomllib
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest

from holdfast.app.edge.documents import FOLDER
from holdfast.common.guards import PROBLEM_JSON

Document = dict[str, Any]


@pytest.fixture
async def document(client: httpx.AsyncClient) -> Document:
    answer = await client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    found: Document = answer.json()
    return found


def operations(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def whole(schema: Any, document: Document) -> dict[str, Any]:
    """A schema that can be asked on its own."""
    return {**schema, "components": document["components"]}


async def test_it_is_openapi(document: Document) -> None:
    assert document["openapi"] == "3.1.0"
    assert {"/api/v1/shops", "/api/v1/shops/{shopId}", "/api/v1/orders"} <= document["paths"].keys()
    assert not [path for path in document["paths"] if "docs" in path or path == "/"]
    assert len({operation["operationId"] for _, operation in operations(document)}) == len(list(operations(document)))


async def test_every_example_fits_its_schema(document: Document) -> None:
    assert check_examples(document) > 30


def check_examples(document: Document) -> int:
    """How many examples there are; all of them fit."""
    checked = 0
    for name, operation in operations(document):
        for parameter in operation["parameters"]:
            jsonschema_rs.validate(whole(parameter["schema"], document), parameter["example"])
        contents = [operation["requestBody"]["content"]] if "requestBody" in operation else []
        responses = [_resolved(response, document) for response in operation["responses"].values()]
        contents += [response["content"] for response in responses if "content" in response]
        for content in contents:
            for media_type, media in content.items():
                examples = [media["example"]] if "example" in media else [example["value"] for example in media["examples"].values()]
                assert examples, (name, media_type)
                for example in examples:
                    jsonschema_rs.validate(whole(media["schema"], document), example)
                    checked += 1
    return checked


def _resolved(response: dict[str, Any], document: Document) -> dict[str, Any]:
    if "$ref" not in response:
        return response
    found: dict[str, Any] = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return found


async def test_requests_are_described_as_strictly_as_they_are_read(document: Document) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["OrderRequest"]["additionalProperties"] is False
    assert schemas["OrderRequest"]["properties"]["shopId"]["pattern"] == "^shp_[0-7][0-9a-hjkmnp-tv-z]{25}$"
    assert schemas["Line"]["properties"]["quantity"] == {"type": "integer", "minimum": 1, "maximum": 8}
    assert "ShopViewPage" in schemas


async def test_an_operation_names_what_it_asks_and_refuses(document: Document) -> None:
    order = document["paths"]["/api/v1/orders"]["post"]
    assert order["summary"] == "Order something"
    assert "anyone who signed in" in order["description"]
    assert order["security"] == [{"bearer": []}]
    assert [(found["name"], found["required"]) for found in order["parameters"]] == [("Idempotency-Key", True)]
    assert set(order["responses"]) == {"201", "400", "401", "404", "409", "413", "415", "422", "429", "503"}
    assert set(order["responses"]["409"]["content"][PROBLEM_JSON]["examples"]) == {"sold_out", "still_running"}

    rename = document["paths"]["/api/v1/shops/{shopId}"]["patch"]
    assert {"403", "412", "428"} <= set(rename["responses"])
    assert {found["name"] for found in rename["parameters"]} == {"shopId", "If-Match"}
    assert "ETag" in rename["responses"]["200"]["headers"]

    search = document["paths"]["/api/v1/shops/search"]["get"]
    by_name = {found["name"]: found for found in search["parameters"]}
    assert by_name["text"]["required"]
    assert by_name["seats"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 8}
    assert search["security"] == []


async def test_the_page_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "'unsafe" not in page.headers["content-security-policy"]
    links = [part.partition('"')[0] for part in page.text.replace('href="', 'src="').split('src="')[1:]]
    assert len(links) > 3
    for link in links:
        assert link.startswith("/api/v1/")
        answer = await client.get(f"http://town{link}")
        assert answer.status_code == 200
        again = await client.get(f"http://town{link}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_the_files_of_others_are_what_they_say() -> None:
    vendored = tomllib.loads((FOLDER / "vendored.toml").read_text(encoding="utf-8"))
    assert vendored["version"]
    assert vendored["licence"]
    for name, expected in vendored["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == expected, name
    ours = {"index.html", "start.js", "vendored.toml"}
    assert {path.name for path in FOLDER.iterdir()} == ours | vendored["sha256"].keys()
