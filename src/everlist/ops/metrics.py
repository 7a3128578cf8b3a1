"""Define the metrics of /metrics: requests and latency, the connection pool, background work.

The processes of `everlist serve` share their numbers in files of one directory (`PROMETHEUS_MULTIPROC_DIR`, a
variable of prometheus-client), so any web process can answer for all of them.
"""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

REQUESTS = Counter("everlist_requests", "Requests answered.", ["method", "route", "status"])
LATENCY = Histogram(
    "everlist_request_seconds",
    "Time from the first byte of a request to the last of its answer.",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
POOL = Gauge(
    "everlist_pool_connections", "Connections to PostgreSQL.", ["state"], multiprocess_mode="livesum"
)
NODES = Gauge(
    "everlist_database_node",
    "1 if the node of a distributed database answers, else 0.",
    ["node"],
    multiprocess_mode="livemostrecent",
)
ROLL_UPS_WAITING = Gauge(
    "everlist_counter_accounts_waiting",
    "Accounts whose counters have differences to roll up.",
    multiprocess_mode="livemostrecent",
)

LANES = Gauge(
    "everlist_activity_accounts_waiting",
    "Accounts that have bulk activities to run or running.",
    multiprocess_mode="livemostrecent",
)

MAIL = Counter("everlist_mail", "Attempts to send a mail.", ["outcome"])
MAIL_WAITING = Gauge(
    "everlist_mail_waiting", "Mails that wait to be sent.", multiprocess_mode="livemostrecent"
)
MAIL_DEAD = Gauge(
    "everlist_mail_given_up",
    "Mails of the last month that were given up.",
    multiprocess_mode="livemostrecent",
)

CONTENT_TYPE = CONTENT_TYPE_LATEST


def render() -> bytes:
    """Return all metrics in the text format of Prometheus."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest()
    _delete_gauges_of_dead_processes(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry)


def _delete_gauges_of_dead_processes(directory: str) -> None:
    """Delete the gauges of killed processes. A process that ends normally deletes its own."""
    for path in Path(directory).glob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            path.unlink(missing_ok=True)
