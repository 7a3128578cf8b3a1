"""Idempotency-Key: done once, answered the same each time; whatever dies, and whoever asks at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from anyio.from_thread import BlockingPortal

from everlist import ext, v3
from everlist.core import idempotency
from everlist.core.accounts import Account
from everlist.db import Database, Transaction
from tests.conftest import Api, Clock, NewToken, Sql
from tests.server import Server
from tests.v3.bulk import Work, ended
from tests.v3.helpers import NOBODY, Behind, email, new_list, new_tag, post_contact

ANN: dict[str, Any] = {"create_source": "Account", "email_address": {"address": "ann@example.org"}}


def post(api: Api, path: str, body: Any = None, *, key: str | None, **more: Any) -> httpx2.Response:
    """A POST with a key. Not checked against the contract, which knows no keys."""
    path = path if path.startswith("/everlist") else "/v3" + path
    content = {} if body is None else {"json": body}
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.http.post(path, headers=headers, **content, **more)


def replayed(reply: httpx2.Response) -> bool:
    return reply.headers.get("idempotent-replayed") == "true"


def kept(sql: Sql, api: Api) -> int:
    return sql("select count(*) from idempotency_key where account_id = $1", api.account_id)[0][0]


def test_the_same_request_again_gets_the_first_answer_again(alice: Api, behind: Behind) -> None:
    first = post(alice, "/contacts", ANN, key="k1")
    again = post(alice, "/contacts", ANN, key="k1")
    assert (first.status_code, replayed(first)) == (201, False)
    assert (again.status_code, replayed(again)) == (201, True)
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["content-length"] == first.headers["content-length"]
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert len(behind.rows("contact")) == len(behind.events()) == 1


def test_without_a_key_nothing_is_kept_and_nothing_is_repeated(alice: Api, sql: Sql) -> None:
    assert post(alice, "/contacts", ANN, key=None).status_code == 201
    assert post(alice, "/contacts", ANN, key=None).status_code == 409
    assert kept(sql, alice) == 0


def test_another_body_path_or_query_with_the_key_is_refused_and_not_done(alice: Api, behind: Behind) -> None:
    post(alice, "/contacts", ANN, key="k1")
    ben = {**ANN, "email_address": {"address": "ben@example.org"}}
    for path, body in (("/contacts", ben), ("/contact_tags", {"name": "x"}), ("/contacts?x=1", ANN)):
        reply = post(alice, path, body, key="k1")
        assert reply.status_code == 422, reply
        (error,) = reply.json()
        assert error["error_key"] == "contacts.api.validation.error"
        assert "Idempotency-Key" in error["error_message"]
    assert len(behind.rows("contact")) == 1
    assert behind.rows("tag") == []


def test_an_error_frees_the_key(alice: Api, sql: Sql) -> None:
    assert post(alice, "/contacts", {**ANN, "create_source": "Nobody"}, key="k1").status_code == 400
    assert post(alice, "/contacts", {**ANN, "list_memberships": [NOBODY]}, key="k1").status_code == 400
    assert kept(sql, alice) == 0
    assert post(alice, "/contacts", ANN, key="k1").status_code == 201
    conflict = post(alice, "/contacts", ANN, key="k2")
    assert (conflict.status_code, replayed(conflict)) == (409, False)
    assert kept(sql, alice) == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "schlüssel".encode()])
def test_what_is_no_key_is_refused(alice: Api, key: Any, behind: Behind) -> None:
    reply = post(alice, "/contacts", ANN, key=key)
    assert reply.status_code == 400
    assert "Idempotency-Key does not have a valid value" in reply.json()[0]["error_message"]
    assert behind.rows("contact") == []


@pytest.mark.parametrize("key", ["x", "x" * 255, '"8e03978e-40d5-43e8-bc93-6894a57f9324"', "!~"])
def test_what_is_a_key(alice: Api, key: str) -> None:
    assert post(alice, "/contacts", ANN, key=key).status_code == 201
    assert replayed(post(alice, "/contacts", ANN, key=key))


def test_a_key_is_the_accounts_own_and_serves_all_its_tokens(
    alice: Api, charlie: Api, bob: Api, running: Server, new_token: NewToken, alices_account: Account
) -> None:
    first = post(alice, "/contacts", ANN, key="k1")
    renewed = Api(running.url, new_token(alices_account, "contact_data"), alices_account)
    assert post(renewed, "/contacts", ANN, key="k1").content == first.content
    renewed.http.close()
    other = post(charlie, "/contacts", ANN, key="k1")
    assert other.json()["contact_id"] != first.json()["contact_id"]
    assert not replayed(other)
    assert post(bob, "/contacts", ANN, key="k1").status_code == 403


def test_the_other_methods_know_no_keys(alice: Api, sql: Sql) -> None:
    contact_id = post(alice, "/contacts", ANN, key=None).json()["contact_id"]
    headers = {"Idempotency-Key": "k1"}
    body = {"update_source": "Account", "first_name": "Ann"}
    for _ in range(2):
        assert alice.http.put(f"/v3/contacts/{contact_id}", json=body, headers=headers).status_code == 200
        assert alice.http.get(f"/v3/contacts/{contact_id}", headers=headers).status_code == 200
    assert alice.http.delete(f"/v3/contacts/{contact_id}", headers=headers).status_code == 204
    assert alice.http.delete(f"/v3/contacts/{contact_id}", headers=headers).status_code == 404
    assert kept(sql, alice) == 0


def test_a_queued_activity_is_queued_once(alice: Api, behind: Behind, work: Work) -> None:
    list_id = new_list(alice)
    body = {"list_ids": [list_id]}
    first = post(alice, "/activities/contact_delete", body, key="k1")
    work()
    again = post(alice, "/activities/contact_delete", body, key="k1")
    assert again.content == first.content
    assert len(behind.rows("activity")) == 1
    ended(alice, first.json()["activity_id"])


class Forms:
    """Sends a file of contacts as a form, with a boundary of its own each time."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.list_id = new_list(api)

    def __call__(self, key: str, text: bytes, boundary: str, pieces: int = 1 << 16) -> httpx2.Response:
        form = (
            (
                f'--{boundary}\r\nContent-Disposition: form-data; name="list_ids"\r\n\r\n{self.list_id}\r\n'
                f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
            ).encode()
            + text
            + f"\r\n--{boundary}--\r\n".encode()
        )

        def content() -> Iterator[bytes]:
            for start in range(0, len(form), pieces):
                yield form[start : start + pieces]

        return self.api.http.post(
            "/v3/activities/contacts_file_import",
            content=content(),
            headers={"Idempotency-Key": key, "Content-Type": f'multipart/form-data; boundary="{boundary}"'},
        )


def test_a_file_sent_again_with_another_boundary_is_imported_once(
    alice: Api, behind: Behind, work: Work
) -> None:
    send = Forms(alice)
    text = b"email\n" + b"".join(b"p%d@example.org\n" % number for number in range(3))
    first = send("k1", text, "one-boundary")
    assert first.status_code == 201, first.text
    again = send("k1", text, "quite-another-boundary", pieces=7)
    assert (again.content, replayed(again)) == (first.content, True)
    for other in (text + b"x@example.org\n", text.replace(b"p1", b"p7")):
        assert send("k1", other, "one-boundary").status_code == 422
        assert send("k1", other, "p1").status_code == 422
        assert send("k1", other, "7").status_code == 422
    assert [replayed(send("k1", text, "e", pieces=size)) for size in (1, 2, 3, 1000)] == [True] * 4
    assert len(behind.rows("activity")) == 1
    assert {str(row["activity_id"]) for row in behind.rows("upload_part")} == {first.json()["activity_id"]}


def test_a_real_client_s_form_sent_twice_is_imported_once(alice: Api, behind: Behind) -> None:
    list_id = new_list(alice)
    replies = [
        alice.http.post(
            "/v3/activities/contacts_file_import",
            data={"list_ids": list_id},
            files={"file": ("a.csv", b"email\nann@example.org\n", "text/csv")},
            headers={"Idempotency-Key": "k1"},
        )
        for _ in range(2)
    ]
    assert replies[0].content == replies[1].content
    assert replayed(replies[1])
    assert len(behind.rows("activity")) == 1


def test_our_own_posts_take_keys_too(alice: Api) -> None:
    made = post(alice, "/activities/contact_delete", {"list_ids": [new_list(alice)]}, key=None).json()
    path = f"/everlist/v1/activities/{made['activity_id']}/cancel"
    first = post(alice, path, key="k1")
    assert first.status_code == 200, first.text
    again = post(alice, path, key="k1")
    assert (again.content, replayed(again)) == (first.content, True)


POSTS = [route.path for route in (*v3.edge.routes, *ext.edge.routes) if route.method == "POST"]


@pytest.mark.parametrize("path", POSTS)
def test_every_post_reads_the_key(alice: Api, path: str) -> None:
    path = "/".join(NOBODY if part.startswith("{") else part for part in path.split("/"))
    response = alice.http.post(path, headers={"Idempotency-Key": "two words"})
    assert response.status_code == 400
    assert "Idempotency-Key does not have a valid value" in response.text


# At the same moment


def test_of_many_at_once_one_is_done_and_the_others_hear_of_it(alice: Api, behind: Behind) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: post(alice, "/contact_tags", {"name": "VIP"}, key="k1"), range(24)))
    done = [one for one in replies if one.status_code == 201]
    waiting = [one for one in replies if one.status_code == 409]
    assert len(done) + len(waiting) == 24
    assert len([one for one in done if not replayed(one)]) == 1
    assert len({one.content for one in done}) == 1
    assert all(one.headers["retry-after"] == "1" for one in waiting)
    assert len(behind.rows("tag")) == 1
    assert replayed(post(alice, "/contact_tags", {"name": "VIP"}, key="k1"))


@pytest.fixture
def once(alice: Api, database: Database) -> Callable[..., idempotency.Once]:
    """A request of alice's, as the edge makes one."""

    def make(key: str = "k1", body: bytes = b"body", now: datetime | None = None) -> idempotency.Once:
        return idempotency.Once(
            database, alice.account_id, key, lambda: body.ljust(32), now=now or datetime.now(UTC)
        )

    return make


ANSWER = idempotency.Answer(201, [("content-type", "application/json")], b"{}")


def tagging(api: Api, name: str) -> Callable[[Transaction], Any]:
    async def operation(tx: Transaction) -> str:
        await tx.execute(
            "insert into tag (account_id, tag_id, name, created_at, updated_at) values ($1, $2, $3, now(), now())",
            api.account_id,
            uuid4(),
            name,
        )
        return name

    return operation


def test_while_the_first_is_under_way_the_second_is_told_so(
    alice: Api, once: Callable[..., idempotency.Once], portal: BlockingPortal, behind: Behind
) -> None:
    async def play() -> None:
        first, second = once(), once()
        assert await first.write(tagging(alice, "a")) == "a"
        with pytest.raises(idempotency.UnderWay):
            await second.write(tagging(alice, "b"))
        await second.give_up()
        await first.finish(ANSWER)
        third = once()
        with pytest.raises(idempotency.Repeated) as told:
            await third.write(tagging(alice, "c"))
        await third.give_up()
        assert told.value.answer == ANSWER

    portal.call(play)
    assert [row["name"] for row in behind.rows("tag")] == ["a"]


def test_a_process_that_dies_before_its_answer_is_stored_has_done_nothing(
    alice: Api, once: Callable[..., idempotency.Once], portal: BlockingPortal, behind: Behind
) -> None:
    """The operation and its answer commit together: there is no mark without an answer."""

    async def play() -> None:
        dying = once()
        await dying.write(tagging(alice, "a"))
        await dying.give_up()
        again = once()
        assert await again.write(tagging(alice, "a")) == "a"
        await again.finish(ANSWER)

    portal.call(play)
    assert len(behind.rows("tag")) == 1
    assert len(behind.rows("idempotency_key")) == 1


def test_a_connection_that_is_lost_before_the_commit_has_done_nothing(
    alice: Api, once: Callable[..., idempotency.Once], portal: BlockingPortal, dsn: str, behind: Behind
) -> None:
    async def play() -> None:
        dying = once()
        pid = 0

        async def operation(tx: Transaction) -> None:
            nonlocal pid
            await tagging(alice, "a")(tx)
            pid = await tx.value("select pg_backend_pid()")

        await dying.write(operation)
        killer = await asyncpg.connect(dsn)
        assert await killer.fetchval("select pg_terminate_backend($1, 60000)", pid), "it is still alive"
        await killer.close()
        with pytest.raises(Exception, match=r"."):
            await dying.finish(ANSWER)
        await dying.give_up()
        again = once()
        assert await again.write(tagging(alice, "a")) == "a"
        await again.finish(ANSWER)

    portal.call(play)
    assert len(behind.rows("tag")) == 1


def test_an_operation_that_fails_raises_what_it_raised_and_frees_the_key(
    alice: Api, once: Callable[..., idempotency.Once], portal: BlockingPortal, behind: Behind
) -> None:
    async def play() -> None:
        failing = once()

        async def operation(tx: Transaction) -> None:
            await tagging(alice, "a")(tx)
            raise LookupError

        with pytest.raises(LookupError):
            await failing.write(operation)
        await failing.give_up()
        again = once(body=b"another")
        await again.write(tagging(alice, "b"))
        await again.finish(ANSWER)

    portal.call(play)
    assert [row["name"] for row in behind.rows("tag")] == ["b"]


def test_an_operation_that_meets_another_writer_runs_again(
    alice: Api, once: Callable[..., idempotency.Once], portal: BlockingPortal, behind: Behind
) -> None:
    async def play() -> int:
        runs = 0

        async def operation(tx: Transaction) -> None:
            nonlocal runs
            runs += 1
            if runs < 3:
                raise asyncpg.UniqueViolationError
            await tagging(alice, "a")(tx)

        one = once()
        await one.write(operation)
        await one.finish(ANSWER)
        return runs

    assert portal.call(play) == 3
    assert len(behind.rows("tag")) == len(behind.rows("idempotency_key")) == 1


def test_a_request_that_writes_twice_commits_both_together(
    alice: Api, once: Callable[..., idempotency.Once], portal: BlockingPortal, behind: Behind
) -> None:
    async def play(finish: bool) -> None:
        one = once(key=str(finish))
        await one.write(tagging(alice, f"a{finish}"))
        await one.write(tagging(alice, f"b{finish}"))
        if finish:
            await one.finish(ANSWER)
        await one.give_up()

    portal.call(play, False)
    assert behind.rows("tag") == []
    portal.call(play, True)
    assert len(behind.rows("tag")) == 2


def test_a_request_that_is_cancelled_leaves_no_transaction_behind(
    alice: Api, once: Callable[..., idempotency.Once], portal: BlockingPortal, behind: Behind
) -> None:
    async def play() -> None:
        one, written = once(), asyncio.Event()

        async def request() -> None:
            try:
                await one.write(tagging(alice, "a"))
                written.set()
                await asyncio.Event().wait()
            finally:
                await one.give_up()

        running = asyncio.create_task(request())
        await written.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        again = once()
        await again.write(tagging(alice, "a"))
        await again.finish(ANSWER)

    portal.call(play)
    assert len(behind.rows("tag")) == 1


# How long, and of whom


def test_a_key_is_kept_for_a_day_and_then_free(
    alice: Api, database: Database, portal: BlockingPortal, sql: Sql, clock: Clock
) -> None:
    body = {"name": "VIP"}
    first = post(alice, "/contact_tags", body, key="k1")
    clock.move(hours=23, minutes=59)
    assert post(alice, "/contact_tags", body, key="k1").content == first.content
    clock.move(minutes=2)
    assert post(alice, "/contact_tags", body, key="k1").status_code == 409  # done anew: the name is taken
    assert post(alice, "/contact_tags", {"name": "other"}, key="k1").status_code == 201

    def sweep() -> None:
        before = clock() - idempotency.KEPT
        portal.call(lambda: idempotency.sweep(database, alice.account_id, before=before))

    sweep()
    assert kept(sql, alice) == 1
    clock.move(days=1, seconds=1)
    sweep()
    assert kept(sql, alice) == 0


def test_neither_the_key_nor_the_request_is_kept(alice: Api, sql: Sql) -> None:
    body = {"create_source": "Account", "first_name": "Ann", "notes": [{"content": "secret remark"}]}
    post(alice, "/contacts", body, key="order-of-ann@example.org")
    ((row,),) = sql("select k::text from idempotency_key k where account_id = $1", alice.account_id)
    assert "ann@example.org" not in row
    assert b"ann@example.org".hex() not in row


def test_an_erasure_takes_the_answer_away_and_nothing_is_done_again(alice: Api, sql: Sql) -> None:
    made = post(alice, "/contacts", ANN, key="k1").json()["contact_id"]
    signed = {"email_address": "ben@example.org", "list_memberships": [new_list(alice)]}
    form = post(alice, "/contacts/sign_up_form", signed, key="k2").json()["contact_id"]
    other = post(alice, "/contact_tags", {"name": "VIP"}, key="k3")
    for contact_id in (made, form):
        assert alice.delete(f"/everlist/v1/contacts/{contact_id}").status == 200
    for path, body, key in (("/contacts", ANN, "k1"), ("/contacts/sign_up_form", signed, "k2")):
        reply = post(alice, path, body, key=key)
        assert reply.status_code == 409
        assert "was done before" in reply.json()[0]["error_message"]
    assert post(alice, "/contact_tags", {"name": "VIP"}, key="k3").content == other.content
    rows = sql(
        "select convert_from(body, 'UTF8') as body from idempotency_key where account_id = $1",
        alice.account_id,
    )
    assert not any("example.org" in (row["body"] or "") for row in rows)


def test_a_lost_answer_is_fetched_by_sending_again(alice: Api, behind: Behind) -> None:
    """The story: the connection broke after the request; the client can't know whether it was done."""
    list_id, tag_id = new_list(alice), new_tag(alice)
    body = {**ANN, "list_memberships": [list_id], "taggings": [tag_id]}
    key = str(uuid4())
    post(alice, "/contacts", body, key=key)  # its answer never arrives
    again = post(alice, "/contacts", body, key=key)
    assert again.status_code == 201
    assert again.json()["list_memberships"] == [list_id]
    assert post_contact(alice, email_address=email("ben@example.org"))
    assert len(behind.rows("contact")) == 2
    assert timedelta(hours=24) == idempotency.KEPT
