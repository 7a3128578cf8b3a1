"""/metrics of `everlist serve`: the numbers of the web process and of its worker, in one answer."""

from __future__ import annotations

import re

import httpx2

from tests.worker.installation import Installation, until


def test_metrics_count_the_requests_of_the_only_web_process(installation: Installation) -> None:
    account = installation.new_account("metrics")
    for _ in range(3):
        account.http.get("/contacts").raise_for_status()
    counted = r'everlist_requests_total\{method="GET",route="/v3/contacts",status="200"\} 3\.0'
    metrics = httpx2.get(f"{installation.url}/metrics").text
    assert re.search(counted, metrics), f"no line {counted} in:\n{metrics}"


def test_metrics_show_the_queue_of_the_worker(installation: Installation) -> None:
    def metrics() -> str:
        return httpx2.get(f"{installation.url}/metrics").text

    until("the worker reports its queue", lambda: "everlist_activity_accounts_waiting 0.0" in metrics())
