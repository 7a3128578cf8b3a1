"""Requests with an Idempotency-Key, sent until an answer comes, while processes are killed under them."""

from __future__ import annotations

import itertools
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2

from tests.worker.installation import LONG, UNANSWERED, Installation, until

CLIENTS = 4
KILLS = 60 if LONG else 4


class Client:
    """Makes one contact after the other and never gives up on any."""

    def __init__(self, installation: Installation, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx2.Client(base_url=installation.url, headers=headers, timeout=30)
        self.answers: dict[str, Any] = {}
        """By address, what was answered at last."""
        self.unsure = 0

    def run(self, stop: threading.Event) -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            address = f"{number}-{uuid4()}@example.org"
            self.answers[address] = self._make(address)

    def _make(self, address: str) -> Any:
        body = {"create_source": "Account", "email_address": {"address": address}}
        key = str(uuid4())
        while True:
            try:
                reply = self.http.post("/v3/contacts", json=body, headers={"Idempotency-Key": key})
            except UNANSWERED:
                self.unsure += 1
                time.sleep(0.05)
                continue
            if reply.status_code == 201:
                return reply.json()
            assert reply.status_code == 503 or "retry-after" in reply.headers, reply.text
            time.sleep(0.05)


def test_whatever_is_killed_each_request_is_done_once_and_answered(installation: Installation) -> None:
    installation.wait()
    account = installation.new_account("repeated")
    token = account.http.headers["Authorization"].removeprefix("Bearer ")
    clients = [Client(installation, token) for _ in range(CLIENTS)]
    stop = threading.Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(client.run, stop) for client in clients]
        try:
            for turn in range(KILLS):
                time.sleep(random.uniform(0.2, 0.7))  # the moment of the kill is what is random here
                if turn % 2:
                    installation.kill_postgresql()
                else:
                    installation.kill_server()
                    installation.start()
                installation.wait()
            answered = 20 // CLIENTS
            until("the clients go on", lambda: all(len(client.answers) > answered for client in clients))
        finally:
            stop.set()
            for one in running:
                one.result(timeout=120)
    answers = {address: answer for client in clients for address, answer in client.answers.items()}
    rows = installation.sql(
        "select email, contact_id::text from contact where account_id = $1", account.account_id
    )
    assert {row["email"]: row["contact_id"] for row in rows} == {
        address: answer["contact_id"] for address, answer in answers.items()
    }
    assert len(rows) == len(answers) > 20
    events = installation.sql("select count(*) from consent_event where account_id = $1", account.account_id)
    assert events[0][0] == len(answers)
    assert sum(client.unsure for client in clients), "the kills hit nothing"
    for client in clients:
        client.http.close()
