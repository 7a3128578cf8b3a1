"""Send generated requests, sound and broken, to every built operation: each answer must fit the contract.

Needs the fixture `server`: an object with `url` (http://host:port, no path) and `token` (an access token for
an account that the test may fill).
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Protocol
from zlib import crc32

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import (
    CoveragePhaseConfig,
    ExamplesPhaseConfig,
    GenerationConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
)
from schemathesis.core.parameters import ParameterLocation

from tests.contract import spec

BUILT = [
    "GET POST /contacts",
    "GET PUT DELETE /contacts/{contact_id}",
    "GET /contacts/contact_id_xrefs",
    "GET /contacts/counts",
    "PUT /contacts/resubscribe/{contact_id}",
    "POST /contacts/sign_up_form",
    "GET /contacts/sms_engagement_history/{contact_id}",
    "GET POST /contact_lists",
    "GET PUT /contact_lists/{list_id}",  # DELETE makes a bulk activity
    "GET /contact_lists/list_id_xrefs",
    "GET POST /contact_tags",
    "GET PUT /contact_tags/{tag_id}",  # DELETE makes a bulk activity
    "GET POST /contact_custom_fields",
    "GET PUT DELETE /contact_custom_fields/{custom_field_id}",
]
EXAMPLES = 30

OPERATIONS = {(method, line.split()[-1]) for line in BUILT for method in line.split()[:-1]}


class Server(Protocol):
    """What the fixture `server` gives."""

    url: str
    token: str


def _built() -> dict[str, Any]:
    """The published document, cut down to the operations under test."""
    paths = {
        path: {method: op for method, op in item.items() if (method.upper(), path) in OPERATIONS}
        for path, item in spec.DOCUMENT["paths"].items()
    }
    return spec.DOCUMENT | {"paths": {path: item for path, item in paths.items() if item}}


def _config() -> Any:
    """All from the document, nothing from the disk; the token is ours to send, and never left out."""
    generation = GenerationConfig(
        max_examples=EXAMPLES, deterministic=True, database="none", with_security_parameters=False
    )
    phases = PhasesConfig(
        examples=ExamplesPhaseConfig(enabled=False),
        coverage=CoveragePhaseConfig(unexpected_methods={"patch"}),
    )
    default = ProjectConfig(generation=generation, phases=phases)
    return schemathesis.Config(projects=ProjectsConfig(default=default), seed=1)


SCHEMA = schemathesis.openapi.from_dict(_built(), config=_config())


class Account:
    """A connection to the server, and one thing of each kind in the account for requests to be about."""

    def __init__(self, server: Server) -> None:
        self.url = server.url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {server.token}"
        self.ids: dict[str, str] = {}
        self.statuses: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def make(self, run: str) -> None:
        """Make the things anew, as the test before this one may have deleted them."""
        email = {"address": f"contact.{run}@example.org", "permission_to_send": "unsubscribed"}
        for key, path, body in (
            ("list_id", "contact_lists", {"name": f"List {run}"}),
            ("tag_id", "contact_tags", {"name": f"Tag {run}"}),
            ("custom_field_id", "contact_custom_fields", {"label": f"Field {run}", "type": "string"}),
            ("contact_id", "contacts", {"email_address": email, "create_source": "Account"}),
        ):
            answer = self.session.post(f"{self.url}{spec.BASE}/{path}", json=body, timeout=30)
            assert answer.status_code == 201, f"{path}: {answer.status_code} {answer.text}"
            self.ids[key] = answer.json()[key]


TYPES = ("string", "text_area", "date", "datetime", "number", "currency", "boolean", "single_select")
KINDS = {"lists": "list_id", "list_ids": "list_id", "list_memberships": "list_id"}
KINDS |= {"tags": "tag_id", "taggings": "tag_id", "custom_field_id": "custom_field_id"}
SERIAL = count(secrets.randbits(32))


def _address(_: int) -> str:
    """A new address, or now and then one that may be in use."""
    number = next(SERIAL)
    return f"person.{number}@example.org" if number % 4 else "person@example.org"


SOUND: dict[str, Callable[[int], str]] = {  # what the document does not say of a string
    "address": _address,
    "anniversary": lambda n: f"{n % 12 + 1:02}/{n % 28 + 1:02}/{1900 + n % 200}",
    "consent_type": lambda _: "promotional_sms",
    "country_code": lambda _: "US",
    "dial_code": lambda _: "1",
    "email_address": _address,
    "full_sms_address": lambda n: f"1617555{n % 10000:04}",
    "label": lambda _: f"Field {next(SERIAL)}",
    "name": lambda _: f"Name {next(SERIAL)}",
    "sequence_ids": str,
    "sms_address": lambda n: f"617555{n % 10000:04}",
    "sms_consent_permission": lambda n: ("explicit", "unsubscribed", "pending_confirmation", "not_set")[
        n % 4
    ],
    "type": lambda n: TYPES[n % 8],
}


def sound(value: Any, ids: dict[str, str], key: str = "") -> Any:
    """`value` with its strings made such that a server can take them: real ids, addresses, dates."""
    if isinstance(value, dict):
        if "birthday_month" in value or "birthday_day" in value:  # neither goes without the other
            value = {"birthday_month": 2, "birthday_day": 29} | value
        return {name: sound(sub, ids, str(name)) for name, sub in value.items()}
    if isinstance(value, list):
        return [sound(sub, ids, key) for sub in value]
    if not isinstance(value, str) or key not in KINDS | SOUND:
        return value
    return ids[KINDS[key]] if key in KINDS else SOUND[key](crc32(value.encode("utf-8", "replace")))


@pytest.fixture(scope="module")
def account(server: Server) -> Iterator[Account]:
    """The account that all the tests of this module fill."""
    account = Account(server)
    yield account
    account.session.close()
    barren = [name for name, found in account.statuses.items() if not any(status < 300 for status in found)]
    assert not barren, f"no generated request succeeded: {barren}"


@pytest.fixture
def prepared(account: Account) -> Iterator[Account]:
    """The account with a fresh thing of each kind in it."""
    account.make(secrets.token_hex(4))
    yield account
    field = account.ids["custom_field_id"]  # an account may have few of them
    account.session.delete(f"{account.url}{spec.BASE}/contact_custom_fields/{field}", timeout=30)


@SCHEMA.parametrize()
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_every_answer_fits_the_contract(case: schemathesis.Case[Any], prepared: Account) -> None:
    meta = case.meta
    assert meta is not None
    path = meta.components.get(ParameterLocation.PATH)
    if path is not None and path.mode.is_positive:
        case.path_parameters = {key: prepared.ids[key] for key in case.path_parameters}
    raw = crc32(repr((case.query, case.body)).encode("utf-8", "replace")) % 4 == 0
    if meta.generation.mode.is_positive and not raw:
        case.query = sound(case.query, prepared.ids)
        case.body = sound(case.body, prepared.ids)
        if len(case.query) > 1:  # it goes with few of the others
            case.query.pop("segment_id", None)
    answer = case.call(base_url=f"{prepared.url}{spec.BASE}", session=prepared.session, timeout=30)
    method, url = str(answer.request.method), str(answer.request.url)
    prepared.statuses[case.operation.label][answer.status_code] += 1
    headers = {name: ", ".join(values) for name, values in answer.headers.items()}
    try:
        spec.check_response(method, url, answer.status_code, headers, answer.content)
    except AssertionError as error:
        raise AssertionError(f"{error}\n  sent: {method} {url}\n  {answer.request.body!r}") from None


def test_every_operation_under_test_is_documented() -> None:
    documented = {(op.method, op.path) for op in spec.operations()}
    assert documented >= OPERATIONS
