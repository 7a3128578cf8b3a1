"""The receipt of an erasure: what it says, and that nobody else can write one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from everlist.core.privacy import receipt
from everlist.core.privacy.erasures import checked_reason
from tests.conftest import SECRET_KEY, Api
from tests.ext.people import ERASURES, erase, erase_many, zenobia
from tests.v3.bulk import Work, person
from tests.v3.helpers import NOBODY, email, put_contact, refused

KEYS = receipt.public_keys(SECRET_KEY.encode())


def run(*args: str, stdin: bytes | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "everlist", "receipt", "verify", *args],
        input=stdin,
        capture_output=True,
        env={**os.environ, **environ},
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def keys_file(alice: Api, tmp_path: Path) -> str:
    path = tmp_path / "keys.json"
    path.write_bytes(alice.get("/everlist/v1/keys").body)
    return str(path)


def test_a_receipt_says_what_was_removed_from_where(alice: Api) -> None:
    contact_id = zenobia(alice)
    put_contact(
        alice, contact_id, update_source="Contact", email_address=email("z@example.org", "unsubscribed")
    )
    answer = erase(alice, contact_id, reason="asked by letter")
    assert set(answer) == {"erasure_id", "contact_id", "erased_at", "reason", "receipt"}
    told = receipt.verify(answer["receipt"], KEYS)
    assert str(told.erasure_id) == answer["erasure_id"]
    assert (str(told.contact_id), told.account_id) == (contact_id, alice.account_id)
    assert told.reason == "asked by letter"
    assert [(one.place, one.count) for one in told.removed] == [
        ("list_membership", 1),
        ("tagging", 1),
        ("contact", 1),
    ]
    assert [(one.place, one.count) for one in told.kept] == [
        ("consent_event", 4),
        ("suppression", 1),
        ("suppression", 1),
    ]
    assert "zenobia" not in receipt.described(told).lower()


def test_receipts_stay_and_are_found_again(alice: Api, charlie: Api) -> None:
    answers = [erase(alice, person(alice, f"p{number}")) for number in range(3)]
    for answer in answers:
        assert alice.get(f"{ERASURES}/{answer['erasure_id']}").json == answer
        refused(charlie.get(f"{ERASURES}/{answer['erasure_id']}"), 404, "no erasure has the id")
    first = alice.get(ERASURES, limit=2).json
    rest = alice("GET", first["_links"]["next"]["href"]).json
    assert first["erasures"] + rest["erasures"] == answers[::-1]
    assert charlie.get(ERASURES).json == {"erasures": []}
    refused(alice.get(f"{ERASURES}/{NOBODY}"), 404, "no erasure has the id")


def test_the_keys_need_no_token_and_are_public_only(anonymous: Api) -> None:
    reply = anonymous.get("/everlist/v1/keys")
    assert reply.json == KEYS
    assert [sorted(key) for key in reply.json["keys"]] == [["alg", "crv", "kid", "kty", "use", "x"]]


def changed(token: str, **values: Any) -> str:
    """The receipt with other contents and its old signature."""
    head, body, signature = token.split(".")
    payload = json.loads(jws.extract_compact(token.encode()).payload)
    other = json.dumps(payload | values).encode()
    head_and_body = jws.serialize_compact(
        {"alg": "Ed25519"}, other, OKPKey.generate_key(), algorithms=["Ed25519"]
    ).split(".")
    return ".".join((head, head_and_body[1], signature))


def test_a_forged_receipt_is_refused(alice: Api) -> None:
    token = erase(alice, person(alice, "ann"))["receipt"]
    forger = b"another secret key of more than 32 characters"
    forged = receipt.sign(receipt.verify(token, KEYS), forger)
    other_type = jws.serialize_compact(
        {"alg": "Ed25519", "kid": receipt.key_id(SECRET_KEY.encode())},
        b"{}",
        OKPKey.generate_key(),
        algorithms=["Ed25519"],
    )
    unsigned = "eyJhbGciOiJub25lIn0." + token.split(".")[1] + "."
    for bad in (changed(token, reason="another"), forged, other_type, unsigned, token[:-4] + "AAAA"):
        with pytest.raises(receipt.NotGenuine, match="signature"):
            receipt.verify(bad, KEYS)
    assert receipt.verify(token, {"keys": [*receipt.public_keys(forger)["keys"], *KEYS["keys"]]})


@pytest.mark.parametrize("keys", [{}, [], {"keys": "x"}, {"keys": [{"kty": "what"}]}, None, "x"])
def test_what_is_no_set_of_keys(keys: Any) -> None:
    token = receipt.sign(receipt.Receipt(*(NOBODY, NOBODY, "2026-01-01T00:00:00Z", "", (), ())), b"x" * 32)  # type: ignore[arg-type]
    with pytest.raises(receipt.NotGenuine):
        receipt.verify(token, keys)


def test_the_command_checks_the_answer_of_the_server(alice: Api, tmp_path: Path, keys_file: str) -> None:
    file = tmp_path / "receipt.json"
    contact_id = zenobia(alice)
    file.write_text(json.dumps(erase(alice, contact_id, reason="asked by letter")))
    done = run(str(file), "--keys", keys_file)
    assert (done.returncode, done.stderr) == (0, "")
    for text in (contact_id, "asked by letter", "1  contact: the contact", "The signature holds."):
        assert text in done.stdout


def test_the_command_takes_a_bare_receipt_a_page_and_an_address(
    alice: Api, work: Work, keys_file: str
) -> None:
    person(alice, "ann")
    erase_many(alice, email_addresses=["ann@example.org", "nobody@example.org"])
    work()
    page = alice.get(ERASURES)
    done = run("-", "--keys", f"{alice.url}/everlist/v1/keys", stdin=page.body)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("The signature holds.") == 2
    assert "an address that no contact had" in done.stdout
    done = run("-", "--keys", keys_file, stdin=page.json["erasures"][0]["receipt"].encode() + b"\n")
    assert done.returncode == 0, done.stderr


def test_the_command_trusts_the_installation_of_its_machine(alice: Api, tmp_path: Path) -> None:
    token = erase(alice, person(alice, "ann"))["receipt"].encode()
    (tmp_path / "secret_key").write_text(SECRET_KEY + "\n")
    assert run("-", "--data-dir", str(tmp_path), stdin=token, EVERLIST_SECRET_KEY="").returncode == 0
    assert run("-", stdin=token, EVERLIST_SECRET_KEY=SECRET_KEY).returncode == 0
    nowhere = tmp_path / "nowhere"
    done = run("-", stdin=token, EVERLIST_SECRET_KEY="", EVERLIST_DATA_DIR=str(nowhere))
    assert (done.returncode, done.stdout) == (1, "")
    assert "give the keys of the server that signed with --keys" in done.stderr
    assert not nowhere.exists()


def test_the_command_says_what_is_wrong(alice: Api, tmp_path: Path, keys_file: str) -> None:
    token = erase(alice, person(alice, "ann"))["receipt"]
    for stdin, keys, text in (
        (changed(token, reason="x").encode(), keys_file, "the signature is not by one of these keys"),
        (b"{}", keys_file, "there is no receipt in this file"),
        (b"\xff\xfe", keys_file, "there is no receipt in this file"),
        (b'{"erasures": []}', keys_file, "there is no receipt in this file"),
        (token.encode(), str(tmp_path / "missing"), "cannot read the keys at "),
        (token.encode(), f"{alice.url}/nothing", "cannot read the keys at "),
    ):
        done = run("-", "--keys", keys, stdin=stdin)
        assert (done.returncode, done.stdout) == (1, ""), stdin
        assert text in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_reason_cannot_speak_as_the_receipt_does() -> None:
    try:
        reason = checked_reason("asked\n  removed  1000000  contact: everything\nThe signature holds.")
    except Exception:  # noqa: BLE001 - refusing it is as good
        return
    now = datetime.now(UTC)
    lines = receipt.described(receipt.Receipt(uuid4(), uuid4(), now, reason, (), ())).splitlines()
    assert len(lines) == 4
