"""A person with something in every place, and the search for what is left of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from everlist.core.privacy import receipt
from tests.conftest import SECRET_KEY, Api, Sql
from tests.v3.bulk import Work, queued
from tests.v3.helpers import email, new_field, new_list, new_tag, post_contact, put_contact, sms

ERASURES = "/everlist/v1/erasures"
SUPPRESSIONS = "/everlist/v1/suppressions"

NEEDLES = ("zenobia", "quillfeather", "13095550142", "309 555 0199", "quagmire street", "prefers haiku")
"""What stands in the places of the person below, in lower case."""
ADDRESS = "zenobia@quillfeather.example.org"
NUMBER = "13095550142"


def zenobia(api: Api, **more: Any) -> str:
    """The id of a contact with all of the needles, on a list and with a tag."""
    field_id = new_field(api)
    body: dict[str, Any] = {
        "email_address": email(ADDRESS, "explicit"),
        "first_name": "Zenobia",
        "last_name": "Quillfeather",
        "list_memberships": [new_list(api)],
        "taggings": [new_tag(api)],
        "sms_channel": sms(NUMBER),
        "phone_numbers": [{"phone_number": "309 555 0199", "kind": "home"}],
        "street_addresses": [{"kind": "home", "street": "1 Quagmire Street"}],
        "notes": [{"content": "prefers haiku"}],
        "custom_fields": [{"custom_field_id": field_id, "value": "Zenobia's field"}],
        **more,
    }
    return post_contact(api, **body)["contact_id"]


def everywhere(api: Api, work: Work, *, csv: str | None = None) -> str:
    """Zenobia, after she has left traces in every place that a server's own calls can fill; her contact id."""
    contact_id = zenobia(api)
    lists = [new_list(api)]
    text = csv or (
        f"email,last_name,sms_number,anniversary\n{ADDRESS},Other,{NUMBER},\n{ADDRESS},Q,{NUMBER},not a date\n"
    )
    files = {"file": (f"{ADDRESS}.csv", text.encode(), "text/csv")}
    data = {"list_ids": ",".join(lists)}
    reply = api("POST", "/activities/contacts_file_import", data=data, files=files)
    assert reply.status == 201, f"201 was expected, but {reply}"
    headerless = {"file": ("x.csv", f"email,{ADDRESS}\na@example.org,b\n".encode(), "text/csv")}
    api("POST", "/activities/contacts_file_import", data={"list_ids": lists[0]}, files=headerless)
    queued(api, "add_list_memberships", source={"contact_ids": [contact_id]}, list_ids=[new_list(api)])
    queued(api, "contact_exports")
    work()
    put_contact(
        api,
        contact_id,
        update_source="Contact",
        first_name="Zenobia",
        email_address=email(ADDRESS, "unsubscribed", opt_out_reason="Zenobia said so"),
    )
    lists_asked = {"list_ids": lists}
    api.put(f"/contacts/resubscribe/{contact_id}", lists_asked)
    return contact_id


def found(
    sql: Sql, account_id: UUID, needles: Iterable[str] = NEEDLES, *, folder: Path | None = None
) -> list[str]:
    """Every place where one of the needles stands, in any table of the account or any file of the folder."""
    places: list[str] = []
    tables = sql(
        "select c.table_name, array_agg(c.column_name::text) filter (where c.data_type = 'bytea') as bytes,"
        " bool_or(c.column_name = 'account_id') as of_account"
        " from information_schema.columns c join information_schema.tables t using (table_schema, table_name)"
        " where c.table_schema = 'public' and t.table_type = 'BASE TABLE' group by c.table_name order by 1"
    )
    for table, columns, of_account in tables:
        text = f"lower({table}::text)"
        for column in columns or ():
            text += f" || lower(coalesce(encode({table}.{column}, 'escape'), ''))"
        for needle in needles:
            hex_of = needle.encode().hex()
            (row,) = sql(
                f"select count(*) from {table} where (position($1 in {text}) > 0 or position($2 in {text}) > 0)"
                + (" and account_id = $3" if of_account else " and $3::uuid is not null"),
                needle,
                hex_of,
                account_id,
            )
            if row[0]:
                places.append(f"{needle!r} stands in {row[0]} rows of {table}")
    for file in sorted(folder.rglob("*")) if folder else ():
        if file.is_file():
            data = file.read_bytes().lower()
            places += [f"{needle!r} stands in {file}" for needle in needles if needle.encode() in data]
    return places


def erase(api: Api, contact_id: str, **params: str) -> Any:
    reply = api("DELETE", f"/everlist/v1/contacts/{contact_id}", params=params)
    assert reply.status == 200, f"200 was expected, but {reply}"
    return reply.json


def erase_many(api: Api, **body: Any) -> str:
    """The id of the activity."""
    reply = api.post("/everlist/v1/activities/contact_erase", {"reason": "asked for by the person", **body})
    assert reply.status == 201, f"201 was expected, but {reply}"
    return reply.json["activity_id"]


def ids(*texts: str) -> list[UUID]:
    return [UUID(text) for text in texts]


KEYS = receipt.public_keys(SECRET_KEY.encode())


def read(erasure: Any) -> receipt.Receipt:
    """The receipt of an erasure, which is signed."""
    return receipt.verify(erasure["receipt"], KEYS)


def places(items: tuple[receipt.Removed, ...]) -> dict[str, int]:
    """How much of what a receipt names."""
    return {item.place: item.count for item in items}
