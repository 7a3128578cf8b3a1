"""Imports: many rows, and the vendor's limits; V3 contract 6.3."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import pytest
from anyio.from_thread import BlockingPortal

from everlist.settings import Settings
from tests.conftest import Api, Clock, NewAccount, NewToken, Sql
from tests.core.recount import recount
from tests.server import Server
from tests.v3.bulk import Work, counted
from tests.v3.helpers import new_field, new_list
from tests.v3.imports import Rows, failed, imported, imported_items

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_more_rows_than_the_vendor_takes(alice: Api, work: Work, sql: Sql, rows: Rows) -> None:
    list_id = new_list(alice)
    names = range(40_500)
    done = imported(alice, work, "email\n" + "".join(f"p{n}@example.org\n" for n in names), list_id)
    assert counted(done) == {"items_total": 40_501, "person": 40_500, "created": 40_500}
    ((count,),) = sql("select count(*) from contact where account_id = $1", alice.account_id)
    assert count == 40_500
    assert (
        alice.get(f"/contact_lists/{list_id}", include_membership_count="all").json["membership_count"]
        == 40_500
    )
    outcomes = rows(done)
    assert [row.row for row in outcomes] == list(range(1, 40_501))
    assert len({row.contact_id for row in outcomes}) == 40_500


@pytest.fixture
def limited(
    settings: Settings,
    dsn: str,
    portal: BlockingPortal,
    session_clock: Clock,
    new_account: NewAccount,
    new_token: NewToken,
    sql: Sql,
) -> Iterator[Api]:
    """A caller of a server that imitates the vendor's limits."""
    vendor = dataclasses.replace(settings, vendor_import_limits=True)
    with Server(vendor, dsn, portal, clock=session_clock) as server:
        account = new_account()
        api = Api(server.url, new_token(account, "contact_data"), account)
        yield api
        api.http.close()
        recount(sql, account.account_id)


def test_the_vendors_limit_of_rows(limited: Api, work: Work) -> None:
    text = "email\n" + "".join(f"p{n}\n" for n in range(40_010))  # all rejected, which is quicker
    done = imported(limited, work, text)
    assert counted(done) == {"items_total": 40_000, "correctable": 39_999, "rejected": 39_999}
    assert done["activity_errors"][0].startswith("Only the first 40,000 lines were read")
    done = imported_items(limited, work, [{"email": f"p{n}"} for n in range(40_010)])
    assert counted(done) == {"items_total": 40_000, "correctable": 40_000, "rejected": 40_000}
    assert done["activity_errors"][0].startswith("Only the first 40,000 lines were read")


@pytest.mark.parametrize("kind", ["file", "items"])
def test_the_vendors_limit_of_bytes(limited: Api, work: Work, sql: Sql, kind: str) -> None:
    """No row is imported in part."""
    long = "y" * 240
    new_field(limited, "Size")
    if kind == "file":
        text = "cf:size,email\n" + "".join(f"{long},p{n}@example.organisation\n" for n in range(17_000))
        done = imported(limited, work, text)
        whole = text.encode()[: 4 * 1024 * 1024].count(b"\n") - 1
    else:
        items = [{"cf:size": long, "email": f"p{n}@example.organisation"} for n in range(17_000)]
        done = imported_items(limited, work, items)
        lines = "".join(json.dumps(item, separators=(",", ":")) + "\n" for item in items)
        whole = lines.encode()[: 4 * 1024 * 1024].count(b"\n")
    assert done["activity_errors"][0].startswith("Only the first 4 MB of the file were read")
    ((count, wrong),) = sql(
        "select count(*), count(*) filter (where email not like '%.organisation') from contact where account_id = $1",
        limited.account_id,
    )
    assert wrong == 0
    assert count == whole
    assert counted(done)["created"] == whole


@pytest.mark.parametrize(
    ("encoding", "cut"), [("utf-8", -1), ("utf-16-le", -1), ("utf-16-le", 1), ("utf-16-be", 1)]
)
def test_the_vendors_limit_cuts_at_a_line_in_every_encoding(
    limited: Api, work: Work, monkeypatch: pytest.MonkeyPatch, encoding: str, cut: int
) -> None:
    text = "".join(f"p{number}@example.org,Ċ\r\n" for number in range(9))
    data = f"\ufeffemail,first_name\r\n{text}".encode(encoding)
    line_end = len(data) - len("\r\n".encode(encoding))
    monkeypatch.setattr("everlist.core.imports.reading.VENDOR_BYTES", line_end + cut)
    done = imported(limited, work, data)
    assert counted(done) == {"items_total": 9, "person": 8, "created": 8}
    (remark,) = done["activity_errors"]
    assert remark.startswith("Only the first 4 MB of the file were read")


def test_a_small_import_within_the_vendors_limits(limited: Api, work: Work) -> None:
    done = imported(limited, work, "email\na@example.org\n")
    assert done["activity_errors"] == []
    (why,) = failed(limited, work, b"PK\x03\x04\n")
    assert why.startswith("the file is a spreadsheet or zip")
