"""What the scripts that drive a server through the vendor's own Python client are written with."""
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import constant_contact_api_client as cc
from pydantic import ValidationError

RUN = secrets.token_hex(4)
ARRAYS = ("custom_fields", "list_memberships", "phone_numbers", "street_addresses", "taggings", "notes")
CORE = (
    "first_name",
    "last_name",
    "job_title",
    "company_name",
    "birthday_month",
    "birthday_day",
    "anniversary",
)


class Difference(Exception):
    """The server did something other than the contract says."""


class Calls:
    """One of the client's API classes, which keeps the names of the methods called."""

    def __init__(self, api: Any, called: set[str]) -> None:
        self._api, self._called = api, called

    def __getattr__(self, name: str) -> Any:
        self._called.add(name)
        return getattr(self._api, name)


class Client:
    """The client's four API classes on one server, and what was said last."""

    def __init__(self, base_url: str, token: str) -> None:
        host = f"{base_url.rstrip('/').removesuffix('/v3')}/v3"
        self.raw = cc.ApiClient(cc.Configuration(host=host, access_token=token))
        self.called: set[str] = set()
        self.said = "nothing was sent"
        self.contacts = Calls(cc.ContactsApi(self.raw), self.called)
        self.lists = Calls(cc.ContactListsApi(self.raw), self.called)
        self.fields = Calls(cc.ContactsCustomFieldsApi(self.raw), self.called)
        self.tags = Calls(cc.ContactTagsApi(self.raw), self.called)
        send = self.raw.rest_client.request

        def listening(method: str, url: str, **kwargs: Any) -> Any:
            self.said = f"{method} {url}\n{json.dumps(kwargs.get('body'))}\nno answer"
            response = send(method, url, **kwargs)
            answer = response.read().decode("utf-8", "replace")
            self.said = self.said.removesuffix("no answer") + f"{response.status}\n{answer}"
            return response

        self.raw.rest_client.request = listening

    def get(self, href: str, model: str) -> Any:
        """GET a link (or a path below the host), as the client's `model`."""
        auth = ["oauth2_access_code"]
        sent = self.raw.param_serialize("GET", href.removeprefix("/v3"), query_params=[], auth_settings=auth)
        response = self.raw.call_api(*sent)
        response.read()
        return self.raw.response_deserialize(response, {"200": model})

    def pages(self, first: Any, model: str, most: int = 1000) -> Iterator[Any]:
        """The page `first`, and those that its links lead to, as they came (with HTTP info)."""
        page = first
        for _ in range(most):
            yield page
            if "_links" not in raw(page):
                return
            page = self.get(page.data.links.next.href, model)
        raise Difference(f"the links still lead on after {most} pages")


def raw(response: Any) -> Any:
    """The JSON of a response with HTTP info: the models cannot tell an absent property from a null."""
    return json.loads(response.raw_data)


def same(what: str, got: object, wanted: object) -> None:
    """Both must be equal."""
    if got != wanted or type(got) is not type(wanted):
        raise Difference(f"{what} is {got!r}, but should be {wanted!r}")


def true(what: str, holds: object) -> None:
    """What is said must hold."""
    if not holds:
        raise Difference(f"not so: {what}")


def absent(data: dict[str, Any], *names: str) -> None:
    """None of the properties may be there, not even as null."""
    found = {name: data[name] for name in names if name in data}
    if found:
        raise Difference(f"these properties should be absent: {found}")


def refused(status: int, call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """The call must fail with `status` and an error of the documented shape; returns the error's text."""
    kinds = {400: cc.exceptions.BadRequestException, 401: cc.exceptions.UnauthorizedException}
    kinds[404] = cc.exceptions.NotFoundException
    keys = {400: "validation.error", 404: "not_found", 409: "conflict"}
    try:
        got = call(*args, **kwargs)
    except cc.ApiException as error:
        same("the status", error.status, status)
        true(f"the client raises {kinds.get(status)}", isinstance(error, kinds.get(status, cc.ApiException)))
        body = json.loads(error.body or "null")
        if status == 401:
            same("the error", body, {"error_key": "unauthorized", "error_message": "Unauthorized"})
            return body["error_message"]
        true("the errors are a list of one", isinstance(body, list) and len(body) == 1)
        same("error_key", body[0].get("error_key"), f"contacts.api.{keys[status]}")
        true("error_message is a text", isinstance(body[0].get("error_message"), str))
        return body[0]["error_message"]
    raise Difference(f"the call should fail with {status}, but gave {got!r}")


def both(api: Calls, method: str, *args: Any, **kwargs: Any) -> Any:
    """Call the plain form and the one with HTTP info, which must agree; returns the latter."""
    plain = getattr(api, method)(*args, **kwargs)
    full = getattr(api, f"{method}_with_http_info")(*args, **kwargs)
    same("the status", full.status_code, 200)
    same("what the two forms give", full.data, plain)
    return full


def recent(what: str, moment: datetime | None) -> None:
    """The time must be there, with a zone, and that of this run."""
    if moment is None:
        raise Difference(f"{what} is not there")
    true(f"{what} has a zone", moment.tzinfo is not None)
    true(f"{what} is now: {moment}", abs(datetime.now(UTC) - moment) < timedelta(minutes=10))


def is_uuid(what: str, value: str | None) -> None:
    """The id must be a UUID in its usual form."""
    try:
        same(what, value, str(UUID(value)))
    except (TypeError, ValueError):
        raise Difference(f"{what} is not a UUID: {value!r}") from None


def address(name: str) -> str:
    """An e-mail address of this run."""
    return f"{name}.{RUN}@example.org"


# --- the model classes, whose names the generator numbered ------------------------------------------------

NewContact = cc.CreateContactRequest
NewEmail = cc.CreateContactRequestEmailAddress
Contact = cc.UpdateContactRequest
Email = cc.UpdateContactRequestEmailAddress
SignUp = cc.CreateOrUpdateContactRequest
Phone = cc.UpdateContactRequestPhoneNumbersInner
Street = cc.UpdateContactRequestStreetAddressesInner
Note = cc.GetContactById200ResponseNotesInner
Value = cc.GetContactById200ResponseCustomFieldsInner
Sms = cc.UpdateContactRequestSmsChannel
Consent = cc.UpdateContactRequestSmsChannelSmsChannelConsentsInner
NewField = cc.CreateCustomFieldsRequest
NewChoice = cc.CreateCustomFieldsRequestChoicesInner
Field = cc.UpdateCustomFieldRequest
Choice = cc.UpdateCustomFieldRequestChoicesInner
Metadata = cc.GetCustomField200ResponseMetadata
List_ = cc.UpdateListRequest


def person(name: str, *, source: str = "Account", **more: Any) -> Any:
    """A request for a new contact with an address of this run."""
    return NewContact(email_address=NewEmail(address=address(name)), create_source=source, **more)


def change(name: str, *, source: str = "Account", permission: str | None = None, **more: Any) -> Any:
    """A request that updates the contact with that address."""
    email = Email(
        address=address(name), permission_to_send=permission, opt_out_reason=more.pop("reason", None)
    )
    return Contact(email_address=email, update_source=source, **more)


@contextmanager
def told(title: str, client: Client) -> Iterator[None]:
    """Print how the step went; end the run at the first that did not go as it should."""
    try:
        yield
    except Difference as error:
        reason = str(error)
    except cc.ApiException as error:
        reason = f"the server answered {error.status} {error.reason}"
    except ValidationError as error:
        reason = f"the client cannot read the answer: {error}"
    except Exception as error:  # whatever it is, say what the server had answered
        reason = f"{type(error).__name__}: {error}"
    else:
        print(f"ok    {title}", flush=True)
        return
    print(f"FAIL  {title}\n{reason}\n\nthe last exchange:\n{client.said}", flush=True)
    raise SystemExit(1)
