"""The vendor's names: what is written for its package runs with only the import changed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

import everlist.client.vendor as constant_contact_api_client
from everlist.client import Client
from everlist.client.vendor.rest import ApiException
from tests.client.script import Script
from tests.conftest import NewAccount, NewToken
from tests.official.test_official_client import HERE as OFFICIAL
from tests.official.test_official_client import PYTHON as OFFICIAL_PYTHON
from tests.server import Server

cc = constant_contact_api_client
HERE = Path(__file__).parent
APIS = ("ContactsApi", "ContactListsApi", "ContactTagsApi", "ContactsCustomFieldsApi", "BulkActivitiesApi")


def ported(script: str) -> str:
    """A script written for the vendor's package, with its imports changed and nothing else."""
    script = re.sub(r"\bimport constant_contact_api_client\b", "import everlist.client.vendor", script)
    script = script.replace("from constant_contact_api_client", "from everlist.client.vendor")
    return script.replace("from pydantic import", "from everlist.client.vendor import")


def run(python: Path | str, script: Path, *arguments: str) -> str:
    ran = subprocess.run(
        [str(python), str(script), *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return ran.stdout


@pytest.mark.parametrize("name", ["run_contacts.py", "run_bulk.py"])
def test_the_scripts_for_the_official_client_run_with_only_the_imports_changed(
    running: Server,
    working: None,
    new_account: NewAccount,
    new_token: NewToken,
    tmp_path: Path,
    name: str,
) -> None:
    for script in ("support.py", "run_contacts.py", "run_bulk.py"):
        source = (OFFICIAL / script).read_text(encoding="utf-8")
        (tmp_path / script).write_text(ported(source), encoding="utf-8")
    assert "everlist.client.vendor as cc" in (tmp_path / name).read_text(encoding="utf-8")
    token = new_token(new_account(), "contact_data")
    assert "all " in run(sys.executable, tmp_path / name, f"{running.url}/v3", token).splitlines()[-1]


def test_the_official_client_and_ours_see_the_same_data(
    running: Server, new_account: NewAccount, new_token: NewToken, tmp_path: Path
) -> None:
    token = new_token(new_account(), "contact_data")
    source = (HERE / "side_by_side.py").read_text(encoding="utf-8")
    (tmp_path / "ours.py").write_text(ported(source), encoding="utf-8")
    run(sys.executable, tmp_path / "ours.py", "make", f"{running.url}/v3", token)
    theirs = run(OFFICIAL_PYTHON, HERE / "side_by_side.py", "see", f"{running.url}/v3", token)
    ours = run(sys.executable, tmp_path / "ours.py", "see", f"{running.url}/v3", token)
    assert json.loads(ours) == json.loads(theirs)
    assert len(json.loads(ours)["contacts"]) == 7


def test_the_classes_have_the_same_methods_with_the_same_arguments_as_the_official_ones() -> None:
    listed = run(OFFICIAL_PYTHON, HERE / "official_surface.py", *APIS)
    for api, methods in json.loads(listed).items():
        ours = getattr(cc, api)
        for name, arguments in methods.items():
            operation = getattr(ours, name)
            assert hasattr(ours, f"{name}_with_http_info")
            assert set(operation.arguments) == set(arguments), (api, name)
            required = [one for one in arguments if arguments[one]]
            assert operation.arguments[: len(required)] == required, (api, name)


# The examples of the vendor's page, in Python and in its Ruby words


@pytest.fixture
def api_client(script: Script) -> Callable[..., Any]:
    def make(**options: Any) -> cc.ApiClient:
        http = httpx2.Client(transport=httpx2.MockTransport(script.answer_sync))
        client = Client("http://everlist/v3", "YOUR ACCESS TOKEN", http=http, **options)
        return cc.ApiClient(cc.Configuration(host="http://everlist/v3"), client=client)

    return make


def test_the_plain_form_gives_data_and_the_other_status_and_headers_too(
    api_client: Callable[..., Any], script: Script
) -> None:
    script.say(200, {"contacts": [{"contact_id": "1"}], "contacts_count": 1}, x_request_id="abc")
    api_instance = constant_contact_api_client.ContactsApi(api_client())
    opts = {"status": "all", "lists": "1,2", "include_count": True, "limit": 25}
    assert api_instance.get_all_contacts(**opts).contacts_count == 1
    full = api_instance.get_all_contacts_with_http_info(**opts)
    assert (full.status_code, full.headers["x-request-id"], full.data.contacts[0].contact_id) == (
        200,
        "abc",
        "1",
    )
    assert json.loads(full.raw_data)["contacts_count"] == 1
    assert script.paths[0] == "GET /v3/contacts?status=all&lists=1%2C2&include_count=true&limit=25"
    assert script.header("authorization") == ["Bearer YOUR ACCESS TOKEN"] * 2


def test_an_error_has_the_attributes_of_both_packages(api_client: Callable[..., Any], script: Script) -> None:
    script.refuse(404, "contacts.api.not_found", x_request_id="abc")
    with pytest.raises(cc.NotFoundException) as caught:
        cc.ContactsApi(api_client()).get_contact_by_id("1")
    error = caught.value
    assert isinstance(error, cc.ApiError)
    assert isinstance(error, ApiException)
    assert (error.status, error.code, error.reason) == (404, 404, "Not Found")
    assert (
        error.body
        == error.response_body
        == '[{"error_key": "contacts.api.not_found", "error_message": "no"}]'
    )
    assert error.response_headers == error.headers
    assert error.headers is not None
    assert error.headers["x-request-id"] == "abc"
    assert str(error).startswith("(404)\nReason: Not Found\n")


def test_a_server_that_cannot_be_reached_is_an_api_exception(
    api_client: Callable[..., Any], script: Script, waits: list[float]
) -> None:
    script.fail(httpx2.ConnectError)
    with pytest.raises(ApiException) as caught:
        cc.ContactsApi(api_client()).get_contact_counts()
    assert caught.value.status == 0
    assert len(script.asked) == 6


def test_requests_are_tried_again_here_too_and_posts_carry_keys(
    api_client: Callable[..., Any], script: Script, waits: list[float]
) -> None:
    script.refuse(503, "x").say(201, {"list_id": "1", "name": "News"})
    made = cc.ContactListsApi(api_client()).create_list(cc.UpdateListRequest(name="News"))
    assert made.name == "News"
    first, second = script.header("idempotency-key")
    assert first
    assert first == second
    assert script.bodies() == [{"name": "News"}] * 2


def test_what_is_none_is_left_out(api_client: Callable[..., Any], script: Script) -> None:
    script.say(201, {"contact_id": "1"})
    email = cc.CreateContactRequestEmailAddress(address="a@example.org", permission_to_send=None)
    request = cc.CreateContactRequest(
        email_address=email, first_name=None, taggings=[], create_source="Account"
    )
    cc.ContactsApi(api_client()).create_contact(request)
    cc.ContactsApi(api_client()).create_contact(create_contact_request={"first_name": None, "last_name": "B"})
    assert script.bodies() == [
        {"email_address": {"address": "a@example.org"}, "taggings": [], "create_source": "Account"},
        {"last_name": "B"},
    ]


def test_arguments_that_a_method_does_not_have_are_refused(
    api_client: Callable[..., Any], script: Script
) -> None:
    api = cc.ContactsApi(api_client())
    for bad in ({"mail": "a"}, {"contact_id": "1", "limit": 5}, {}):
        with pytest.raises(TypeError):
            api.get_contact_by_id(**bad)
    with pytest.raises(TypeError):
        api.get_contact_by_id("1", "notes", "more")
    with pytest.raises(TypeError):
        api.create_contact(None)
    assert script.asked == []


def test_headers_of_ones_own_are_sent(api_client: Callable[..., Any], script: Script) -> None:
    script.say(200, {"contact_id": "1"})
    client = api_client()
    client.default_headers["X-Request-Id"] = "mine"
    cc.ContactsApi(client).get_contact_by_id("1", _headers={"X-More": "2"})
    assert (script.header("x-request-id"), script.header("x-more")) == (["mine"], ["2"])


def test_a_time_limit_may_be_given_with_a_call(api_client: Callable[..., Any], script: Script) -> None:
    script.say(200, {"contact_id": "1"})
    cc.ContactsApi(api_client()).get_contact_by_id("1", _request_timeout=(1, 2))
    assert script.asked[0].extensions["timeout"]["connect"] == 1
    assert script.asked[0].extensions["timeout"]["read"] == 2


def test_the_default_configuration_is_the_vendors_service_at_its_pace() -> None:
    configuration = cc.Configuration(access_token="YOUR ACCESS TOKEN")
    assert configuration.host == "https://api.cc.email/v3"
    with cc.ApiClient(configuration) as client:
        transport = client.client.transport
        assert transport.base_url == "https://api.cc.email"
        assert transport.is_everlist is False
        assert transport.new_key() is None
        configuration.access_token = "another"
        assert configuration.token() == "another"
