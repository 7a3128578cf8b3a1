"""What the client does when something goes wrong, against a server that says what it is told to."""

from __future__ import annotations

import io
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from everlist.client import (
    NEVER,
    ApiError,
    AsyncClient,
    Conflict,
    ConnectionFailed,
    KeyReused,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Retry,
    ServerFailed,
    SignUp,
    TimedOut,
    Timeouts,
    TooLarge,
    Unauthorized,
    UnexpectedReply,
    models,
)
from tests.client.script import Pieces, Script

New = Callable[..., AsyncClient]
LIST = {"list_id": "0b6e2c80-9c1e-11f0-8d55-0242ac120002", "name": "News"}
ACTIVITY = {"activity_id": "5d0c7b1e-9c1e-11f0-9c57-0242ac120002", "state": "initialized"}
BODY = {"email_address": {"address": "ann@example.org"}, "create_source": "Account"}
CONTACT = {"contact_id": "5d0c7b1e-9c1e-11f0-9c57-0242ac120002"}


async def test_too_many_in_a_second_waits_as_long_as_the_server_says(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    script.refuse(429, "throttled", retry_after="7").say(200, LIST)
    assert (await async_scripted().lists.get(LIST["list_id"])).name == "News"
    assert waits == [7 + 0.5]


async def test_the_vendors_throttle_names_no_time_so_it_is_a_second(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    script.refuse(429, "throttled").refuse(429, "throttled").say(201, LIST)
    await async_scripted(vendors=True, per_second=None).lists.create("News")
    assert waits == [1 + 0.5, 1 + 1]
    assert script.header("idempotency-key") == [None] * 3


async def test_a_used_up_day_is_not_tried_again(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    script.refuse(429, "quota_exceeded", "Limit Exceeded")
    with pytest.raises(QuotaExceeded, match="Limit Exceeded"):
        await async_scripted(vendors=True).lists.get("1")
    assert len(script.asked) == 1


async def test_a_wait_beyond_the_limit_is_not_begun(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    script.refuse(429, "throttled", retry_after="3600")
    with pytest.raises(RateLimited) as caught:
        await async_scripted().lists.get("1")
    assert caught.value.retry_after == 3600
    assert waits == []


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_fault_of_the_server_is_tried_again_with_growing_random_waits(
    async_scripted: New, script: Script, waits: list[float], status: int
) -> None:
    script.refuse(status, "contacts.api.unavailable", x_request_id="abc")
    with pytest.raises(ServerFailed, match=r"abc"):
        await async_scripted().lists.get("1")
    assert waits == [0.5, 1, 2, 4, 8]
    assert len(script.asked) == 6


async def test_a_post_is_tried_again_with_the_same_key_and_another_has_another(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    script.fail(httpx2.ReadError).refuse(503, "x").say(201, LIST)
    client = async_scripted()
    await client.lists.create("News")
    first, second, third = script.header("idempotency-key")
    assert first
    assert first == second == third
    await client.lists.create("News")
    assert script.header("idempotency-key")[3] != first


@pytest.mark.parametrize("error", [httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.WriteError])
async def test_a_post_to_the_vendor_that_may_have_arrived_is_not_repeated(
    async_scripted: New, script: Script, waits: list[float], error: type[httpx2.TransportError]
) -> None:
    script.fail(error).say(201, LIST)
    with pytest.raises(ConnectionFailed, match="POST /v3/contact_lists"):
        await async_scripted(vendors=True).lists.create("News")
    script.answers.clear()
    script.refuse(502, "x")
    with pytest.raises(ServerFailed):
        await async_scripted(vendors=True).lists.create("News")
    assert len(script.asked) == 2


async def test_a_post_that_never_left_is_sent_again_even_to_the_vendor(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    script.fail(httpx2.ConnectError).fail(httpx2.ConnectTimeout).say(201, LIST)
    await async_scripted(vendors=True, per_second=None).lists.create("News")
    assert len(script.asked) == 3


async def test_what_takes_too_long_is_a_timeout(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    script.fail(httpx2.ReadTimeout)
    with pytest.raises(TimedOut):
        await async_scripted(retry=NEVER).lists.get("1")
    assert len(script.asked) == 1
    with pytest.raises(TimeoutError):
        await async_scripted(retry=Retry(tries=2)).lists.get("1")
    assert len(script.asked) == 3


async def test_every_request_has_time_limits(async_scripted: New, script: Script) -> None:
    script.say(200, LIST)
    await async_scripted().lists.get("1")
    limited = async_scripted().with_options(timeouts=Timeouts(connect=1, read=2, write=3))
    await limited.lists.get("1")
    assert all(script.asked[0].extensions["timeout"].values())
    assert script.asked[1].extensions["timeout"] == {"connect": 1, "read": 2, "write": 3, "pool": 2}


async def test_all_of_a_clients_requests_share_what_may_be_spent_on_retries(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    script.refuse(500, "x")
    client = async_scripted()
    for _ in range(30):
        with pytest.raises(ServerFailed):
            await client.lists.get("1")
    assert len(script.asked) == 30 + 50
    script.answers.clear()
    script.say(200, LIST)
    for _ in range(10):
        await client.lists.get("1")
    script.answers.clear()
    script.refuse(500, "x")
    with pytest.raises(ServerFailed):
        await client.lists.get("1")
    assert len(script.asked) == 80 + 10 + 2


async def test_a_delete_whose_answer_was_lost_counts_as_done(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    script.fail(httpx2.ReadError).refuse(404, "contacts.api.not_found")
    await async_scripted().contacts.delete("1")
    script.answers.clear()
    script.refuse(404, "contacts.api.not_found")
    with pytest.raises(NotFound):
        await async_scripted().contacts.delete("1")


async def test_a_resubscribe_mail_is_never_asked_for_twice(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    script.fail(httpx2.ReadError).say(200)
    with pytest.raises(ConnectionFailed):
        await async_scripted().contacts.resubscribe("1", ["2"])
    assert len(script.asked) == 1


async def test_sign_ups_that_meet_are_tried_again_under_another_key(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    script.refuse(409, "contacts.api.conflict").say(200, CONTACT | {"action": "updated"})
    form = SignUp(email_address="ann@example.org", list_memberships=["1"])
    assert (await async_scripted().contacts.sign_up(form)).action == "updated"
    first, second = script.header("idempotency-key")
    assert first != second
    script.answers.clear()
    script.refuse(409, "contacts.api.conflict", "under way", retry_after="1")
    script.say(200, CONTACT | {"action": "updated"})
    await async_scripted().contacts.sign_up(form)
    assert len(set(script.header("idempotency-key")[2:])) == 1


async def test_a_conflict_of_addresses_is_not_tried_again(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    owner = "0b6e2c80-9c1e-11f0-8d55-0242ac120002"
    script.refuse(
        409, "contacts.api.conflict", f"Validation failed: Email already exists for contact {owner}"
    )
    with pytest.raises(Conflict) as caught:
        await async_scripted().contacts.create(BODY)
    assert caught.value.owner_id == owner
    assert len(script.asked) == 1


async def test_a_request_under_way_with_the_same_key_is_waited_for(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    script.refuse(409, "contacts.api.conflict", "under way", retry_after="1").say(201, LIST)
    await async_scripted().with_options(idempotency_key="mine").lists.create("News")
    assert script.header("idempotency-key") == ["mine", "mine"]
    script.answers.clear()
    script.refuse(422, "contacts.api.validation.error")
    with pytest.raises(KeyReused):
        await async_scripted().with_options(idempotency_key="mine").lists.create("Others")


async def test_a_file_is_sent_again_from_where_it_stood(
    async_scripted: New, script: Script, waits: list[float], tmp_path: Path
) -> None:
    script.fail(httpx2.WriteError).say(201, ACTIVITY)
    file = io.BytesIO(b"skip\nemail\nann@example.org\n")
    file.seek(5)
    await async_scripted().activities.import_file(file, "1")
    first, second = (one.content for one in script.asked)
    assert first == second
    assert b"\r\n\r\nemail\nann@example.org\n\r\n--" in first
    assert b"skip" not in first
    assert int(script.asked[0].headers["content-length"]) == len(first)


async def test_what_can_be_read_only_once_is_sent_only_once(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    script.fail(httpx2.WriteError).say(201, ACTIVITY)
    with pytest.raises(ConnectionFailed):
        await async_scripted().activities.import_file(Pipe(b"email\n"), "1")
    assert script.header("content-length") == [None]
    assert script.header("transfer-encoding") == ["chunked"]


async def test_a_key_of_ones_own_makes_the_same_bytes(async_scripted: New, script: Script) -> None:
    script.say(201, ACTIVITY)
    for _ in range(2):
        client = async_scripted().with_options(idempotency_key="nightly-2026-11-22")
        await client.activities.import_file(io.BytesIO(b"email\n"), ["1", "2"], file_name='a"b.csv')
    assert script.asked[0].content == script.asked[1].content
    assert b'name="list_ids"\r\n\r\n1,2\r\n' in script.asked[0].content
    assert b'filename="a%22b.csv"' in script.asked[0].content


async def test_a_file_that_the_client_opened_is_closed_whatever_comes(
    async_scripted: New, script: Script, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    (tmp_path / "a.csv").write_bytes(b"email\n")
    script.refuse(413, "contacts.api.validation.error")
    with pytest.raises(TooLarge):
        await async_scripted().activities.import_file(tmp_path / "a.csv", "1")
    assert not [one for one in recwarn if issubclass(one.category, ResourceWarning)]


async def test_a_token_from_a_function_is_asked_for_again_after_a_401(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    tokens = iter(["old", "new"])
    script.refuse(401, "unauthorized").say(200, LIST)
    await async_scripted(lambda: next(tokens)).lists.get("1")
    assert script.header("authorization") == ["Bearer old", "Bearer new"]


async def test_a_token_that_stays_the_same_is_refused_at_once(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    script.refuse(401, "unauthorized", "Unauthorized")
    for token in ("fixed", lambda: "the same"):
        with pytest.raises(Unauthorized):
            await async_scripted(token).lists.get("1")
    assert len(script.asked) == 2


async def test_requests_keep_their_pace(async_scripted: New, script: Script, waits: list[float]) -> None:
    script.say(200, LIST)
    client = async_scripted(vendors=True)
    for _ in range(5):
        await client.lists.get("1")
    assert waits == [0.25] * 4


async def test_an_answer_that_is_not_of_the_contract_says_so(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    script.say(200, text=b"<html>a proxy's page</html>", x_request_id="abc")
    with pytest.raises(UnexpectedReply, match="abc"):
        await async_scripted().lists.get("1")
    script.answers.clear()
    script.say(418, text=b"<html>")
    with pytest.raises(ApiError, match="no reason given") as caught:
        await async_scripted().lists.get("1")
    assert (caught.value.status, caught.value.key) == (418, "")


async def test_a_link_cannot_take_the_token_to_another_host(async_scripted: New, script: Script) -> None:
    page = {"lists": [LIST], "_links": {"next": {"href": "https://evil.example/v3/contact_lists?cursor=abc"}}}
    script.say(200, page).say(200, {"lists": []})
    assert len([one async for one in async_scripted().lists.list(limit=1)]) == 1
    assert [one.url.host for one in script.asked] == ["everlist", "everlist"]
    assert script.paths[1] == "GET /v3/contact_lists?cursor=abc"


async def test_a_page_that_leads_to_itself_ends_the_walk(async_scripted: New, script: Script) -> None:
    page = {"lists": [LIST], "_links": {"next": {"href": "/v3/contact_lists?cursor=abc"}}}
    script.say(200, page)
    with pytest.raises(UnexpectedReply, match="itself"):
        assert [one async for one in async_scripted().lists.list()]
    assert len(script.asked) == 2


async def test_an_export_that_breaks_off_leaves_no_file(
    async_scripted: New, script: Script, waits: list[float], tmp_path: Path
) -> None:
    script.stream = Pieces([b"half"], httpx2.ReadError("as told"))
    with pytest.raises(ConnectionFailed):
        await async_scripted().activities.save_export("1", tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []


async def test_rows_may_have_line_breaks_and_come_in_any_pieces(async_scripted: New, script: Script) -> None:
    text = 'row,line,outcome,contact_id,email,reason\r\n1,2,created,abc,a@b.c,\r\n2,3,rejected,,,"no ""é""\nat all"\r\n'
    script.stream = Pieces([bytes([byte]) for byte in text.encode()])
    rows = [row async for row in async_scripted().activities.rows("1")]
    assert rows == [
        models.Row(row=1, line=2, outcome="created", contact_id="abc", email="a@b.c"),
        models.Row(row=2, line=3, outcome="rejected", reason='no "é"\nat all'),
    ]


async def test_what_is_left_out_null_and_empty_go_out_as_such(async_scripted: New, script: Script) -> None:
    script.say(200, CONTACT)
    body = models.ContactUpdate(update_source="Account", first_name=None, last_name="", taggings=[])
    await async_scripted().contacts.update("1", body)
    assert script.bodies() == [
        {"update_source": "Account", "first_name": None, "last_name": "", "taggings": []}
    ]


async def test_options_stay_until_they_are_given_anew(async_scripted: New, script: Script) -> None:
    script.say(201, LIST)
    mine = async_scripted().with_options(idempotency_key="mine").with_options(retry=NEVER)
    await mine.lists.create("News")
    await mine.with_options(idempotency_key=None).lists.create("News")
    first, second = script.header("idempotency-key")
    assert first == "mine"
    assert second not in (None, "mine")


async def test_ids_may_be_of_any_type(async_scripted: New, script: Script) -> None:
    one = UUID(LIST["list_id"])
    script.say(200, {"contacts": []})
    await async_scripted().contacts.list(lists=one).first()
    await async_scripted().contacts.list(lists=(one, one)).first()
    assert [path.partition("?lists=")[2] for path in script.paths] == [str(one), f"{one}%2C{one}"]
    script.answers.clear()
    script.say(201, ACTIVITY)
    await async_scripted().activities.delete_lists(one)
    assert script.bodies()[-1:] == [{"list_ids": [str(one)]}]


async def test_a_redirect_is_not_a_success(async_scripted: New, script: Script) -> None:
    script.say(302, location="https://evil.example/")
    with pytest.raises(ApiError) as caught:
        await async_scripted().contacts.delete("1")
    assert caught.value.status == 302
    assert [one.url.host for one in script.asked] == ["everlist"]


async def test_what_can_never_be_sent_is_not_tried_again(
    async_scripted: New, script: Script, waits: list[float]
) -> None:
    script.fail(httpx2.LocalProtocolError)
    with pytest.raises(ConnectionFailed):
        await async_scripted("a token\nin two lines").lists.get("1")
    script.answers.clear()
    error = httpx2.ConnectError("as told")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    script.answers.append(error)
    with pytest.raises(ConnectionFailed):
        await async_scripted().lists.get("1")
    assert len(script.asked) == 2
    assert waits == []
    with pytest.raises(ValueError, match="http://"):
        AsyncClient("everlist.example", "secret")


async def test_replacing_a_list_sends_a_file_or_rows(async_scripted: New, script: Script) -> None:
    script.say(201, ACTIVITY)
    lists = async_scripted().lists
    options = {"max_removed_percent": 20, "leavers": "delete"}
    await lists.replace_members("1", io.BytesIO(b"email\nann@example.org\n"), **options)
    path = "/everlist/v1/contact_lists/1/members"
    assert script.paths == [f"PUT {path}?max_removed_percent=20&leavers=delete"]
    assert script.asked[0].content == b"email\nann@example.org\n"
    assert script.header("content-type") == ["text/csv"]
    script.answers.clear()
    script.say(200, {"add": 2, "remove": 1, "peak_after": 7})
    rows = [{"email": "ann@example.org"}, {"email": "bea@example.org"}]
    preview = await lists.preview_replacement("1", rows)
    assert (preview.add, preview.remove, preview.peak_after) == (2, 1, 7)
    await lists.preview_replacement("1", iter([]))
    assert script.paths[1] == f"PUT {path}?dry_run=true"
    assert json.loads(script.asked[1].content) == {"import_data": rows}
    assert json.loads(script.asked[2].content) == {"import_data": []}
    assert script.header("content-type")[1:] == ["application/json"] * 2


async def test_undo_and_restore_are_activities(async_scripted: New, script: Script) -> None:
    script.say(201, ACTIVITY)
    activities = async_scripted().activities
    undone = await (await activities.restore(contact_ids=["1"])).undo()
    await activities.restore(deleted_by_activity_id=undone.activity_id)
    assert script.paths == [
        "POST /everlist/v1/activities/contact_restore",
        f"POST /everlist/v1/activities/{undone.activity_id}/undo",
        "POST /everlist/v1/activities/contact_restore",
    ]
    assert script.bodies() == [{"contact_ids": ["1"]}, {}, {"deleted_by_activity_id": undone.activity_id}]
