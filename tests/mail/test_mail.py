"""Mail as it goes over the wire, and as often as it does: a real SMTP server, its bytes and its failures."""

from __future__ import annotations

import asyncio
import email.utils
import quopri
import re
import ssl
import stat
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from everlist.core import accounts, contacts, outbox
from everlist.core.act import Act
from everlist.core.contacts.model import EmailDraft
from everlist.db import Database, Transaction
from everlist.mail import compose, postman
from everlist.settings import Settings
from tests.conftest import INSTALLATION, Api, Sql
from tests.ext.people import erase
from tests.mail.fixtures import SENDER, Change, Post, link_of
from tests.v3.helpers import Behind, get_contact, new_list, post_contact, put_contact, sign_up
from tests.v3.helpers import email as an_email

ADDRESS = "ruth@example.org"
DAYS = timedelta(days=1)


@pytest.fixture
def ruth(alice: Api, confirming: None, a_list: str) -> str:
    """Signed up just now: her mail waits."""
    reply = sign_up(
        alice,
        email_address=ADDRESS,
        first_name="Ruth\r\nBcc: x@example.org",
        last_name="visit http://evil.example",
        list_memberships=[a_list],
    )
    assert reply.status == 201, reply
    return reply.json["contact_id"]


def test_the_bytes_of_a_mail(post: Post, ruth: str) -> None:
    post.deliver()
    raw = post.server.raw()
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert all(len(line) <= 78 for line in raw.split(b"\r\n"))
    assert raw.isascii()
    head = raw.partition(b"\r\n\r\n")[0].decode()
    names = re.findall(r"^([A-Za-z-]+):", head, re.MULTILINE)
    expected = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
    ]
    assert sorted(names) == sorted(expected)
    assert f"From: =?utf-8?q?Zo=C3=AB?= of Harbour Books <{SENDER}>" in head
    assert f"To: {ADDRESS}\r\n" in head
    assert "Auto-Submitted: auto-generated" in head
    (envelope,) = post.server.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == (SENDER, [ADDRESS])
    (message,) = post.messages()
    (question,) = post.rows("confirmation")
    assert message["Message-ID"] == question["message_id"]
    assert question["message_id"].endswith("@harbour.example>")
    assert abs(email.utils.parsedate_to_datetime(message["Date"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert message["Subject"].startswith("Please confirm your subscription to Harbour Books")
    assert message.get_content_type() == "multipart/alternative"
    for kind in ("plain", "html"):
        part = message.get_body((kind,))
        assert part is not None
        assert part["Content-Transfer-Encoding"] == "quoted-printable"
        text = part.get_content().replace("\r\n", "\n")
        assert "Reading circle" in text
        assert "1 Quay Street\nPeoria, IL 61602" in text
        assert link_of(message) in text


def test_nothing_that_a_visitor_typed_is_in_the_mail(post: Post, ruth: str) -> None:
    post.deliver()
    text = quopri.decodestring(post.server.raw())
    for typed in (b"Ruth", b"evil", b"Bcc", b"x@example.org"):
        assert typed not in text


def test_a_name_cannot_add_a_header(post: Post) -> None:
    """Not even one that was stored before names were checked."""
    mail = outbox.Mail(
        *(uuid.uuid4() for _ in range(4)),
        kind="sign_up",
        address=ADDRESS,
        address_hmac=b"x" * 32,
        link_token="x",
        message_id="<1@harbour.example>",
        queued_at=datetime.now(UTC),
        attempts=0,
        expires_at=datetime.now(UTC),
        list_names=["a\r\nBcc: x@example.org\r\n\r\nhello", "<b>bold</b>"],
    )
    nasty = "Harbour\r\nBcc: x@example.org\r\n\r\n\x00hello\u2028"
    account = accounts.AccountSettings(nasty, "UTC", True, nasty, SENDER, None)
    _, message = compose(mail, account, public_url="https://mail.example.org", now=datetime.now(UTC))
    head = message.partition(b"\r\n\r\n")[0]
    assert b"\nBcc" not in head
    assert b"X-" not in head
    assert head.count(b"\nSubject:") == 1
    html = quopri.decodestring(message).decode(errors="replace")  # a boundary may look encoded
    assert "&lt;b&gt;bold" in html


def test_a_mail_server_that_is_down_gets_the_mail_once_when_it_is_back(post: Post, ruth: str) -> None:
    post.close()
    post.port, port = 1, post.port
    post.deliver()
    (mail,) = post.rows()
    assert (mail["state"], mail["attempts"]) == ("waiting", 1)
    assert "Error" in mail["last_error"]
    post.open()
    post.deliver()
    assert post.server.taken == []  # it waits for a while
    post.deliver(after=outbox.FIRST_RETRY)
    post.deliver(after=DAYS)
    assert len(post.server.taken) == 1
    assert (post.rows(), post.rows("mail_due")) == ([], [])
    (question,) = post.rows("confirmation")
    assert question["sent_at"] is not None
    assert port


def test_a_mail_that_nobody_takes_is_given_up_after_two_days(post: Post, ruth: str) -> None:
    post.server.rcpt = "450 mailbox busy"
    waited = timedelta()
    for _ in range(100):
        post.deliver(after=waited)
        if post.rows()[0]["state"] == "dead":
            break
        waited += outbox.LAST_RETRY
    (mail,) = post.rows()
    assert 45 <= mail["attempts"] <= 52
    assert (mail["state"], mail["address"], mail["link_token"], mail["last_error"]) == (
        "dead",
        None,
        None,
        "450",
    )
    assert post.rows("mail_due") == []


@pytest.mark.parametrize("where", ["rcpt", "data"])
def test_what_the_server_refuses_for_good_is_given_up_at_once(post: Post, ruth: str, where: str) -> None:
    setattr(post.server, where, f"550 no such person: {ADDRESS}")
    post.deliver()
    (mail,) = post.rows()
    assert (mail["state"], mail["last_error"]) == ("dead", "550")
    assert ADDRESS not in str(post.rows())


@pytest.mark.parametrize("where", ["rcpt", "data"])
def test_what_the_server_refuses_for_now_is_tried_again(post: Post, ruth: str, where: str) -> None:
    setattr(post.server, where, "451 later")
    post.deliver()
    assert post.rows()[0]["state"] == "waiting"
    setattr(post.server, where, "")
    post.deliver(after=outbox.FIRST_RETRY)
    assert len(post.server.taken) == 1


def test_a_mail_of_which_nobody_knows_is_not_sent_again(post: Post, ruth: str) -> None:
    """The server may have taken it before the connection broke."""
    post.server.drop = True
    post.deliver()
    post.server.drop = False
    (mail,) = post.rows()
    assert (mail["state"], mail["last_error"], mail["address"]) == ("dead", "unknown", None)
    post.deliver(after=DAYS)
    assert post.server.taken == []


def claimed(portal: BlockingPortal, database: Database, after: timedelta = timedelta()) -> Any:
    now = datetime.now(UTC) + timedelta(seconds=1) + after
    return portal.call(lambda: database.write(lambda tx: outbox.claim(tx, now=now)))


def test_a_worker_that_is_killed_before_it_sends_loses_no_mail(
    post: Post, ruth: str, portal: BlockingPortal, database: Database
) -> None:
    assert claimed(portal, database)
    post.deliver()
    assert post.server.taken == []  # it may be alive
    post.deliver(after=outbox.LEASE)
    post.deliver(after=DAYS)
    assert len(post.server.taken) == 1


def test_a_worker_that_is_killed_while_it_sends_sends_no_mail_twice(
    post: Post, ruth: str, portal: BlockingPortal, database: Database
) -> None:
    claim = claimed(portal, database)
    assert portal.call(lambda: database.write(lambda tx: outbox.mark_sending(tx, claim)))
    post.deliver(after=outbox.LEASE)
    assert post.server.taken == []
    assert [mail["last_error"] for mail in post.rows()] == ["unknown"]


def test_a_worker_that_slept_past_its_lease_does_not_send(
    post: Post, ruth: str, portal: BlockingPortal, database: Database
) -> None:
    slow = claimed(portal, database)
    assert claimed(portal, database) is None
    quick = claimed(portal, database, outbox.LEASE)
    marks = [
        portal.call(lambda one=one: database.write(lambda tx: outbox.mark_sending(tx, one)))
        for one in (slow, quick, quick)
    ]
    assert marks == [False, True, False]


def test_two_workers_never_send_the_same(
    post: Post, alice: Api, confirming: None, a_list: str, portal: Any
) -> None:
    addresses = {f"n{number}@example.org" for number in range(20)}
    for address in sorted(addresses):
        assert sign_up(alice, email_address=address, list_memberships=[a_list]).status == 201
    both = [
        portal.start_task_soon(post._deliver, replace(post._settings, smtp=_smtp(post)), DAYS * 0)
        for _ in "ab"
    ]
    for one in both:
        one.result(timeout=60)
    assert sorted(one.rcpt_tos[0] for one in post.server.taken) == sorted(addresses)


def _smtp(post: Post) -> Any:
    from everlist.settings import Smtp

    return Smtp("127.0.0.1", post.port)


def test_a_request_that_is_rolled_back_sends_nothing(
    post: Post, alice: Api, confirming: None, a_list: str, portal: BlockingPortal, database: Database
) -> None:
    draft = contacts.ContactDraft(email=EmailDraft(ADDRESS), list_ids=(uuid.UUID(a_list),))
    act = Act("test", datetime.now(UTC))
    limits = contacts.Limits("x", per_source=10, per_address=3)

    async def fails() -> None:
        async with database.transaction() as tx:
            await contacts.sign_up(
                tx,
                alice.account_id,
                draft,
                source="Contact",
                limits=limits,
                act=act,
                installation=INSTALLATION,
            )
            assert (
                await tx.value("select count(*) from mail_due where account_id = $1", alice.account_id) == 1
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        portal.call(fails)
    assert [post.rows(table) for table in ("mail", "mail_due", "confirmation", "sign_up_count")] == [[]] * 4
    post.deliver()
    assert post.server.taken == []


def test_only_the_newest_question_goes_out(post: Post, alice: Api, ruth: str, a_list: str) -> None:
    assert sign_up(alice, email_address=ADDRESS, list_memberships=[a_list]).status == 200
    post.deliver()
    (message,) = post.messages()
    newest = [row for row in post.rows("confirmation") if row["replaced_at"] is None]
    assert [row["message_id"] for row in newest] == [message["Message-ID"]]
    assert post.rows() == []


def test_the_mail_of_a_contact_that_opted_out_since_is_not_sent(
    post: Post, alice: Api, ruth: str, browser: Any
) -> None:
    links = alice("GET", f"/everlist/v1/contacts/{ruth}/links").json
    one_click = links["one_click_url"].removeprefix("http://127.0.0.1:8080")
    assert browser.post(one_click, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    post.deliver()
    assert (post.server.taken, post.rows()) == ([], [])


def test_the_mail_to_an_address_that_the_contact_has_left_is_not_sent(
    post: Post, alice: Api, ruth: str
) -> None:
    put_contact(alice, ruth, email_address=an_email("moved@example.org"))
    post.deliver()
    assert (post.server.taken, post.rows()) == ([], [])


def test_without_a_mail_server_mail_is_kept_as_files(post: Post, ruth: str, settings: Settings) -> None:
    post.keep()
    (file,) = (settings.data_dir / "mail").glob(f"{ruth}.*.eml")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert f"To: {ADDRESS}\r\n".encode() in file.read_bytes()
    assert post.rows() == []


def test_an_erasure_while_a_mail_is_being_written_waits_for_its_file_and_takes_it(
    post: Post, alice: Api, ruth: str, settings: Settings, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = postman._write
    with ThreadPoolExecutor(1) as pool:

        def write_late(folder: Path, name: str, message: bytes) -> None:
            erased = pool.submit(erase, alice, ruth)
            _until_done_or_locked_out(erased.done, sql)
            write(folder, name, message)

        monkeypatch.setattr(postman, "_write", write_late)
        post.keep()
    assert not list(settings.mail_folder.glob(f"*{ruth}*"))
    assert post.rows() == []


def _until_done_or_locked_out(done: Any, sql: Sql) -> None:
    deadline = time.monotonic() + 60
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    while not done() and sql(waiting)[0][0] == 0:
        assert time.monotonic() < deadline, "nothing was done within 60 seconds, and nobody waits for a lock"


def test_a_mail_whose_person_is_erased_before_it_is_written_is_not_written(
    post: Post, alice: Api, ruth: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = outbox.hold

    async def hold_late(tx: Transaction, claimed: outbox.Claimed) -> bool:
        await asyncio.to_thread(erase, alice, ruth)
        return await hold(tx, claimed)

    monkeypatch.setattr(outbox, "hold", hold_late)
    post.keep()
    assert not list(settings.mail_folder.glob(f"*{ruth}*"))
    assert post.rows() == []


def test_a_mail_that_cannot_be_written_as_a_file_waits_and_is_tried_again(
    post: Post, ruth: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(postman, "_write", full)
    post.keep()
    (mail,) = post.rows()
    assert (mail["state"], mail["attempts"], mail["last_error"]) == ("waiting", 1, "OSError")


def test_nothing_of_the_person_stays_in_the_outbox(post: Post, behind: Behind, ruth: str) -> None:
    post.deliver()
    everything = {name: rows for name, rows in behind.everything().items() if name != "contact"}
    token = post.link().rpartition("/")[2]
    for table, rows in everything.items():
        assert not any(ADDRESS in row or token in row for row in rows), table


def test_an_address_beyond_ascii(post: Post, alice: Api, confirming: None, a_list: str) -> None:
    sign_up(alice, email_address="zoë@münchen.example", list_memberships=[a_list])
    post.deliver()
    (envelope,) = post.server.taken
    assert envelope.rcpt_tos == ["zoë@xn--mnchen-3ya.example"]
    assert "SMTPUTF8" in envelope.mail_options
    assert "To: zoë@xn--mnchen-3ya.example\r\n".encode() in post.server.raw()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_the_password_is_sent_and_not_told(
    post: Post, ruth: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    from aiosmtpd.smtp import AuthResult

    seen: list[Any] = []
    welcome = False

    def authenticator(*args: Any) -> AuthResult:
        seen.append(args[-1])
        return AuthResult(success=welcome, handled=False)

    post.close()
    post.open(authenticator=authenticator, auth_required=True, auth_require_tls=False)
    login = {"username": "everlist", "password": "very secret"}
    post.deliver(**login)
    assert post.server.taken == []
    welcome = True
    post.deliver(after=outbox.FIRST_RETRY, **login)
    assert len(post.server.taken) == 1
    assert [one.password for one in seen][:1] == [b"very secret"]
    told = capfdbinary.readouterr()
    for line in (told.out + told.err).splitlines():
        assert b"secret" not in line
        assert ADDRESS.encode() not in line


def test_a_server_without_tls_gets_nothing_where_tls_is_asked_for(post: Post, ruth: str) -> None:
    post.deliver(security="starttls")
    assert post.server.taken == []
    assert post.rows()[0]["state"] == "waiting"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1, with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - DAYS)
        .not_valid_after(now + DAYS)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("certificate") / "both.pem"
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, *plain))
    return file


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_is_checked(
    post: Post, ruth: str, certificate: Path, security: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    post.close()
    post.open(**({"implicit_tls": context} if security == "tls" else {"tls_context": context}))
    post.deliver(security=security)
    assert post.server.taken == []
    assert "SSL" in post.rows()[0]["last_error"] or "Connect" in post.rows()[0]["last_error"]
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    post.deliver(security=security, after=outbox.FIRST_RETRY)
    assert len(post.server.taken) == 1


def test_the_worker_sends_by_itself(
    post: Post, ruth: str, settings: Settings, dsn: str, portal: BlockingPortal, sql: Sql
) -> None:
    import asyncio

    from everlist.worker import run as worker

    stop = portal.call(asyncio.Event)
    running = portal.start_task_soon(worker.run, replace(settings, smtp=_smtp(post)), dsn, stop)
    try:
        deadline = datetime.now(UTC) + timedelta(seconds=60)
        while post.rows():
            assert datetime.now(UTC) < deadline, "the worker did not send the mail within 60 seconds"
    finally:
        portal.call(stop.set)
        running.result(timeout=60)
    assert len(post.server.taken) == 1


def test_a_resubscribe_mail_that_never_went_out_may_be_asked_for_again(
    post: Post, alice: Api, change: Change
) -> None:
    change(sender_email=SENDER)
    lists = [new_list(alice, "Reading circle")]
    address = an_email("out@example.org", "unsubscribed")
    contact_id = post_contact(alice, create_source="Contact", email_address=address)["contact_id"]
    post.server.rcpt = "550 no"
    assert alice.put(f"/contacts/resubscribe/{contact_id}", {"list_ids": lists}).status == 200
    post.deliver()
    post.server.rcpt = ""
    assert alice.put(f"/contacts/resubscribe/{contact_id}", {"list_ids": lists}).status == 200
    post.deliver()
    (message,) = post.messages()
    assert message["Subject"].startswith("Would you like to hear from")
    assert "Reading circle" in str(message)
    assert alice.put(f"/contacts/resubscribe/{contact_id}", {"list_ids": lists}).status == 409
    assert get_contact(alice, contact_id)["email_address"]["permission_to_send"] == "unsubscribed"


def test_kept_files_go_after_a_month(settings: Settings, database: Database, portal: BlockingPortal) -> None:
    folder = settings.data_dir / "mail"
    folder.mkdir(mode=0o700, exist_ok=True)
    Path(folder / "x.eml").write_text("x")
    one = postman.Postman(database, settings)
    portal.call(lambda: one.sweep(now=datetime.now(UTC) + timedelta(days=29)))
    assert (folder / "x.eml").exists()
    portal.call(lambda: one.sweep(now=datetime.now(UTC) + timedelta(days=31)))
    assert not list(folder.glob("*.eml"))


def test_a_mail_that_waits_for_an_address_goes_when_that_is_erased(
    alice: Api, behind: Behind, post: Post, ruth: str
) -> None:
    """Its contact has moved to another address, and somebody else has that."""
    assert len(post.rows()) == 1
    put_contact(alice, ruth, email_address=an_email("moved@example.org"))
    other = post_contact(alice, email_address=an_email(ADDRESS))["contact_id"]
    erase(alice, other)
    assert (post.rows(), behind.rows("mail_due")) == ([], [])
