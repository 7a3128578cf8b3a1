"""A tiny edge, made here, in the real application: its own prefix, callers, bodies and refusals, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx2
import pytest
from anyio.from_thread import BlockingPortal
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response

from everlist.app import EDGES
from everlist.core import lists
from everlist.db import Unavailable
from everlist.errors import EverlistError, NotFound
from everlist.settings import Settings
from everlist.web.bearer import authorize
from everlist.web.edge import CSV_FILE, FORM, JSON, Body, Edge, Route, RouteTree
from everlist.web.request import Request
from tests.conftest import Api, NewAccount, NewToken
from tests.server import Server
from tests.v3.helpers import NOBODY

OWN_TYPE = "text/x-door; charset=utf-8"
FILE_BYTES = 64 * 1024
SHOP = "https://shop.example.org"


class Knock(Request):
    """A request that the tiny edge has let in."""

    __slots__ = ("account_id",)


async def let_in(knock: Knock) -> None:
    if knock.route.scope is not None:
        token = await authorize(knock, knock.route.scope)
        knock.account_id = token.account_id


def refuse(_scope: Any, error: Exception) -> Response | None:
    match error:
        case HTTPException():
            status = error.status_code
        case NotFound():
            status = 404
        case Unavailable():
            status = 503
        case _:
            return None
    headers = dict(getattr(error, "headers", None) or {})
    return Response(f"the door says {status}", status, headers, OWN_TYPE)


async def echo(knock: Knock) -> Response:
    value = json.loads(await knock.body_reader.body())
    return PlainTextResponse(json.dumps(value))


async def measure(knock: Knock) -> Response:
    length = 0
    async for data in knock.body_reader.stream():
        length += len(data)
    return PlainTextResponse(str(length))


async def show_form(knock: Knock) -> Response:
    form = await knock.body_reader.form()
    return PlainTextResponse(f"{form['name']} at {knock.path_text('place')}")


async def show_list(knock: Knock) -> Response:
    await lists.get(knock.db, knock.account_id, UUID(NOBODY))
    return PlainTextResponse("never")


async def read_unnamed_body(knock: Knock) -> Response:
    return PlainTextResponse(await knock.body_reader.body())


async def fail(_knock: Knock) -> Response:
    raise ZeroDivisionError


async def be_away(_knock: Knock) -> Response:
    raise Unavailable("the database is away")


async def drop_stranger(_knock: Knock) -> Response:
    raise EverlistError("an error that this edge does not know")


DOOR: Edge[Knock] = Edge(
    prefixes=("/door",),
    routes=(
        Route(method="POST", path="/door/json", handler=echo, scope="contact_data", takes=(JSON,)),
        Route(
            method="PUT",
            path="/door/file",
            handler=measure,
            takes=(CSV_FILE, Body("text/plain", lambda _settings: FILE_BYTES)),
        ),
        Route(method="POST", path="/door/{place}/form", handler=show_form, takes=(FORM,)),
        Route(method="GET", path="/door/list", handler=show_list, scope="contact_data"),
        Route(method="DELETE", path="/door/list", handler=fail),
        Route(method="POST", path="/door/unnamed", handler=read_unnamed_body),
        Route(method="GET", path="/door/fault", handler=fail),
        Route(method="GET", path="/door/away", handler=be_away),
        Route(method="GET", path="/door/stranger", handler=drop_stranger),
    ),
    request=Knock,
    authenticate=let_in,
    refuse=refuse,
    middleware=(Middleware(CORSMiddleware, allow_origins=[SHOP], allow_methods=["POST"]),),
)


@pytest.fixture(scope="module")
def with_door(settings: Settings, dsn: str, portal: BlockingPortal) -> Iterator[str]:
    """The address of a server that has the tiny edge too. An account may make four requests a day."""
    limited = replace(settings, rate_limit=(100, 4), max_body_bytes=1024)
    with Server(limited, dsn, portal, edges=(DOOR, *EDGES)) as server:
        yield server.url


@pytest.fixture
def visitor(with_door: str, new_account: NewAccount, new_token: NewToken) -> Iterator[httpx2.Client]:
    """A caller with a token."""
    headers = {"Authorization": f"Bearer {new_token(new_account(), 'contact_data')}"}
    with httpx2.Client(base_url=with_door, headers=headers, verify=False) as client:
        yield client


@pytest.fixture
def weak_visitor(with_door: str, new_account: NewAccount, new_token: NewToken) -> Iterator[httpx2.Client]:
    """A caller whose token lacks the scope."""
    headers = {"Authorization": f"Bearer {new_token(new_account(), 'campaign_data')}"}
    with httpx2.Client(base_url=with_door, headers=headers, verify=False) as client:
        yield client


def refused(response: httpx2.Response, status: int) -> httpx2.Response:
    """Check that the tiny edge answered, in its own shape."""
    assert (response.status_code, response.text) == (status, f"the door says {status}")
    assert response.headers["content-type"] == OWN_TYPE
    assert len(response.headers["x-request-id"]) == 36
    return response


def test_json_a_form_and_a_file_reach_the_handlers(visitor: httpx2.Client) -> None:
    assert visitor.post("/door/json", json={"a": [1]}).text == '{"a": [1]}'
    assert visitor.post("/door/left/form", data={"name": "Ann"}).text == "Ann at left"
    big = b"x" * (FILE_BYTES * 2)
    assert visitor.put("/door/file", content=big, headers={"Content-Type": "Text/CSV"}).text == str(len(big))


def test_callers_are_refused_in_the_shape_of_the_edge(
    visitor: httpx2.Client, weak_visitor: httpx2.Client, with_door: str
) -> None:
    nobody = refused(httpx2.post(f"{with_door}/door/json", json={}, verify=False), 401)
    assert nobody.headers["www-authenticate"] == "Bearer"
    refused(weak_visitor.post("/door/json", json={}), 403)
    for _ in range(4):
        assert visitor.post("/door/json", json={}).status_code == 200
    assert int(refused(visitor.post("/door/json", json={}), 429).headers["retry-after"]) > 0


def test_unknown_things_are_refused_in_the_shape_of_the_edge(visitor: httpx2.Client) -> None:
    for path in ("/door", "/door/", "/door/nothing", "/door//form"):
        refused(visitor.get(path), 404)
    refused(visitor.get("/door/list"), 404)  # which core raises


def test_a_method_that_a_path_does_not_have_is_refused_with_those_that_it_has(visitor: httpx2.Client) -> None:
    assert refused(visitor.put("/door/list"), 405).headers["allow"] == "DELETE, GET, HEAD"
    assert refused(visitor.get("/door/left/form"), 405).headers["allow"] == "POST"


def test_bodies_that_are_too_big_are_refused_in_the_shape_of_the_edge(visitor: httpx2.Client) -> None:
    refused(visitor.post("/door/json", json="x" * 1024), 413)
    refused(visitor.post("/door/left/form", data={"name": "x" * 1024}), 413)
    big = b"x" * (FILE_BYTES + 1)
    for kind in ("text/plain", "text/html", ""):  # a type that the route does not name gets the least
        refused(visitor.put("/door/file", content=big, headers={"Content-Type": kind}), 413)
        refused(visitor.put("/door/file", content=iter([big]), headers={"Content-Type": kind}), 413)


def test_faults_are_refused_in_the_shape_of_the_edge(visitor: httpx2.Client) -> None:
    refused(visitor.get("/door/fault"), 500)
    refused(visitor.get("/door/away"), 503)
    refused(visitor.get("/door/stranger"), 500)


def test_a_body_that_the_route_does_not_name_cannot_be_read(visitor: httpx2.Client) -> None:
    refused(visitor.post("/door/unnamed", content=b"x"), 500)


def test_an_edge_may_have_middleware_of_its_own(visitor: httpx2.Client) -> None:
    asked = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    allowed = visitor.options("/door/json", headers=asked)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, SHOP)
    assert "access-control-allow-origin" not in visitor.options("/v3/contacts", headers=asked).headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v3/contacts"),
        ("GET", "/v3/nothing"),
        ("PATCH", "/v3/contacts"),
        ("GET", "/everlist/v1/keys"),
        ("GET", "/everlist/v1/nothing"),
        ("GET", "/confirm/x"),
        ("GET", "/confirm/x/y"),
        ("PUT", "/unsubscribe/x"),
        ("GET", "/healthz"),
        ("GET", "/door-bell"),
        ("GET", "/v31"),
        ("POST", "/"),
    ],
)
def test_all_else_answers_as_without_the_edge(
    visitor: httpx2.Client, running: Server, method: str, path: str
) -> None:
    def answer(url: str) -> tuple[int, bytes, dict[str, str]]:
        response = httpx2.request(method, url + path, verify=False)
        apart = ("date", "x-request-id")
        headers = {name: value for name, value in response.headers.items() if name not in apart}
        return response.status_code, response.content, headers

    assert answer(str(visitor.base_url).rstrip("/")) == answer(running.url)


def test_without_the_edge_its_paths_are_nobodys(anonymous: Api) -> None:
    for path in ("/door", "/door/json", "/console/", "/v2/contacts", "/oauth2/token"):
        response = anonymous.http.get(path)
        assert (response.status_code, response.text) == (404, "Nothing is at this path\n")
        assert response.headers["content-type"] == "text/plain; charset=utf-8"


async def _nothing(_request: Request) -> Response:
    raise AssertionError


def found(tree: RouteTree, method: str, path: str) -> tuple[str, dict[str, str]] | tuple[int, str | None]:
    try:
        route, values = tree.find(path, method)
    except HTTPException as error:
        return error.status_code, (error.headers or {}).get("Allow")
    return route.path, values


def test_literal_parts_win_and_a_method_is_looked_for_in_every_path_that_matches() -> None:
    paths = (
        ("DELETE", "/a/{x}"),
        ("GET", "/a/{x}"),
        ("GET", "/a/b"),
        ("PUT", "/a/b/{y}"),
        ("POST", "/a/{x}/{y}/c"),
    )
    tree = RouteTree(Route(method=method, path=path, handler=_nothing) for method, path in paths)
    assert found(tree, "GET", "/a/b") == ("/a/b", {})
    assert found(tree, "HEAD", "/a/b") == ("/a/b", {})
    assert found(tree, "DELETE", "/a/b") == ("/a/{x}", {"x": "b"})
    assert found(tree, "GET", "/a/{x}") == ("/a/{x}", {"x": "{x}"})
    assert found(tree, "POST", "/a/b/1/c") == ("/a/{x}/{y}/c", {"x": "b", "y": "1"})
    assert found(tree, "PUT", "/a/b") == (405, "DELETE, GET, HEAD")
    assert found(tree, "GET", "/a/b/1") == (405, "PUT")
    for path in ("", "/", "/a", "/a/", "/a/b/", "/a/1/2", "a/b", "//a/b", "*"):
        assert found(tree, "GET", path) == (404, None), path
