"""Everlist's client against the vendor's own Python client: import, decoding, and a walk over many contacts.

Each side runs in an interpreter of its own, the vendor's in .venv-official, and they take turns. The programs
print seconds of the processor's time; those of the walk, which waits for the server, are of the clock.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

from bench.report import Line

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.__main__ import Bench

_ROOT = Path(__file__).parents[1]
_OFFICIAL = _ROOT / ".venv-official" / "bin" / "python"
_INCLUDE = "custom_fields,list_memberships,phone_numbers,street_addresses,taggings,notes"
_WALKED = 100_000

_OUR_IMPORT = "from everlist.client import Client"
_THEIR_IMPORT = "import constant_contact_api_client"

_IMPORT = """
from time import process_time
began = process_time()
{what}
print(process_time() - began)
"""

_OUR_DECODING = """
import sys
from everlist.client import models
from everlist.client._protocol import Reply, get
from everlist.client._sync.transport import decode
body = open(sys.argv[1], "rb").read()
request, reply = get("/v3/contacts"), Reply(200, {}, body)
def run():
    return decode(request, reply, models.ContactsPage)
assert len(run().contacts) == 500
"""
_THEIR_DECODING = """
import sys
import constant_contact_api_client as cc
text = open(sys.argv[1], encoding="utf-8").read()
client = cc.ApiClient(cc.Configuration(host="http://localhost/v3"))
def run():
    return client.deserialize(text, "GetAllContacts200Response")
assert len(run().contacts) == 500
"""
_DECODING = """
from time import process_time
took = []
while sum(took) < 1 or len(took) < 5:
    began = process_time()
    run()
    took.append(process_time() - began)
print(sorted(took)[len(took) // 2])
"""

_OUR_WALK = """
import sys
from itertools import islice
from time import perf_counter
from everlist.client import Client
url, token, include, most = *sys.argv[1:4], int(sys.argv[4])
with Client(url, token) as client:
    began = perf_counter()
    seen = sum(1 for _ in islice(client.contacts.list(limit=500, include=include), most))
    assert seen == most, seen
    print(perf_counter() - began)
"""
_THEIR_WALK = """
import sys
from time import perf_counter
import constant_contact_api_client as cc
url, token, include, most = *sys.argv[1:4], int(sys.argv[4])
client = cc.ApiClient(cc.Configuration(host=url + "/v3", access_token=token))
began = perf_counter()
page = cc.ContactsApi(client).get_all_contacts(limit=500, include=include)
seen = len(page.contacts)
while seen < most:
    path = page.links.next.href.removeprefix("/v3")
    sent = client.param_serialize("GET", path, query_params=[], auth_settings=["oauth2_access_code"])
    response = client.call_api(*sent)
    response.read()
    page = client.response_deserialize(response, {"200": "GetAllContacts200Response"}).data
    seen += len(page.contacts)
print(perf_counter() - began)
"""


def client(bench: Bench) -> list[Line]:
    """Compare import, decoding of a page of 500, and a walk with the vendor's client in the same run."""
    if not _OFFICIAL.exists():
        raise SystemExit("the vendor's client is not installed: run make setup")
    with tempfile.TemporaryDirectory() as folder:
        programs = _Programs(Path(folder))
        page = Path(folder) / "page.json"
        page.write_bytes(_page(bench))
        walked = min(_WALKED, bench.large.contacts // 500 * 500)
        walk = (f"http://127.0.0.1:{bench.everlist}", bench.large.token, _INCLUDE, str(walked))
        return [
            programs.race(
                "client: import",
                _IMPORT.format(what=_OUR_IMPORT),
                _IMPORT.format(what=_THEIR_IMPORT),
                rounds=bench.rounds,
                bar=10,
                shown=_milliseconds,
            ),
            programs.race(
                "client: a page of 500, decoded",
                _OUR_DECODING + _DECODING,
                _THEIR_DECODING + _DECODING,
                str(page),
                rounds=bench.rounds,
                bar=10,
                shown=_milliseconds,
            ),
            programs.race(
                f"client: a walk over {walked:,} contacts",
                _OUR_WALK,
                _THEIR_WALK,
                *walk,
                rounds=2,
                bar=1,
                warm_up=False,
                shown=lambda seconds: f"{walked / seconds:,.0f}/s",
            ),
        ]


def _page(bench: Bench) -> bytes:
    """Return a page of 500 contacts as the server sends it."""
    url = f"http://127.0.0.1:{bench.everlist}/v3/contacts?limit=500&include={_INCLUDE}"
    with urlopen(Request(url, headers={"Authorization": f"Bearer {bench.large.token}"})) as answer:
        body: bytes = answer.read()
    assert len(json.loads(body)["contacts"]) == 500
    return body


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"


class _Programs:
    """Runs programs in both environments, with a bytecode cache, as in everyday use."""

    def __init__(self, folder: Path) -> None:
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
        } | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}

    def race(
        self,
        what: str,
        ours: str,
        theirs: str,
        *arguments: str,
        rounds: int,
        bar: float,
        shown: Callable[[float], str],
        warm_up: bool = True,
    ) -> Line:
        """Return the line of how many times faster ours is: the median of the rounds."""
        sides = ((sys.executable, ours), (str(_OFFICIAL), theirs))
        if warm_up:
            for side in sides:
                self._run(*side, *arguments)
        ran = [[self._run(*side, *arguments) for side in sides] for _ in range(rounds)]
        measured, reference = (shown(median(side)) for side in zip(*ran, strict=True))
        ratio = median(theirs_took / ours_took for ours_took, theirs_took in ran)
        return Line(what=what, measured=measured, reference=reference, ratio=ratio, bar=bar, at_least=True)

    def _run(self, python: str, program: str, *arguments: str) -> float:
        command = [python, "-c", program, *arguments]
        ran = subprocess.run(
            command, capture_output=True, check=True, text=True, env=self._environment, timeout=600
        )
        return float(ran.stdout)
