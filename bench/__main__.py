"""Run the benchmarks: `python -m bench`. Each result is a ratio to a reference measured in the same run.

Everlist and the reference take turns of a quarter of a second, so that other load on the machine slows both. A ratio
is the median of the rounds' ratios; times are p50 and p99. The section `write` adds contacts to the large account, so
it runs last of those that measure requests. The sections `bulk` and `acts` measure activities, from the request to the
end, on empty clusters of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING
from uuid import UUID

from bench import acts, bulk, data, load, reference, serve
from bench.client import client
from bench.report import Line, faster, note, slower, table
from bench.write import write
from everlist.ops.embedded import Cluster
from everlist.rest.query import Query
from everlist.schema.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Callable

_TURN = 0.25  # seconds
_PAGE = f"limit={reference.PAGE_SIZE}&include=list_memberships,custom_fields"


Side = tuple[int, Iterable[bytes]]
"""A port, and the requests to send to it."""


@dataclass(frozen=True)
class Bench:
    """The accounts, servers and options that a section measures with."""

    cluster: Cluster
    directory: Path
    large: data.Account
    small: data.Account
    everlist: int
    """The port of Everlist."""
    reference: int
    """The port of the bare ASGI application."""
    rounds: int
    seconds: float
    connections: int

    def race(self, *sides: Side, connections: int) -> list[list[load.Load]]:
        """Measure sides that take turns many times in each round; return the loads of each round, side by side."""
        with ExitStack() as stack:
            clients = [stack.enter_context(load.Client(*side, connections=connections)) for side in sides]
            self._round(clients)  # to warm up
            return [self._round(clients) for _ in range(self.rounds)]

    def _round(self, clients: Sequence[load.Client]) -> list[load.Load]:
        turns = max(1, round(self.seconds / _TURN))
        loads = [[client.run(_TURN) for client in clients] for _ in range(turns)]
        return [load.Load.together(of_side) for of_side in zip(*loads, strict=True)]

    def against_reference(
        self, what: str, ours: Iterable[bytes], theirs: Iterable[bytes], *, bar: float = 0.75
    ) -> Line:
        """Compare the throughput with that of the bare application."""
        rounds = self.race((self.everlist, ours), (self.reference, theirs), connections=self.connections)
        return faster(what, rounds, bar=bar)

    def against_itself(self, what: str, request: bytes, base: bytes) -> Line:
        """Compare the times of two requests to Everlist, sent singly; the bar is 1.2 times the base."""
        rounds = self.race((self.everlist, [request]), (self.everlist, [base]), connections=1)
        return slower(what, rounds, bar=1.2)


def one_contact(bench: Bench) -> list[Line]:
    """Compare GET of a contact with the same select in a bare application."""
    account = bench.large
    ours = [load.get(f"/v3/contacts/{contact_id}", account.token) for contact_id in account.sample]
    theirs = [
        load.get(f"/contact/{account.account_id}/{contact_id}", account.token)
        for contact_id in account.sample
    ]
    return [bench.against_reference("GET one contact", ours, theirs)]


def page(bench: Bench) -> list[Line]:
    """Compare a page of 50 with lists and fields with the same select in a bare application."""
    account = bench.large
    ours = [
        load.get(f"/v3/contacts?{_PAGE}&cursor={_cursor(account, contact_id)}", account.token)
        for contact_id in account.page_starts
    ]
    theirs = [
        load.get(f"/page/{account.account_id}/{contact_id}", account.token)
        for contact_id in account.page_starts
    ]
    return [bench.against_reference("page of 50 with lists and fields", ours, theirs)]


def walk(bench: Bench) -> list[Line]:
    """Compare the last page of a walk over the large account with the first page."""
    account = bench.large
    number = -(-account.contacts // 50)
    last = f"/v3/contacts?limit=50&cursor={_cursor(account, account.last_page)}"
    return [
        bench.against_itself(
            f"page {number:,} of a walk, to page 1",
            load.get(last, account.token),
            load.get("/v3/contacts?limit=50", account.token),
        )
    ]


def counts(bench: Bench) -> list[Line]:
    """Compare counts in the large account with counts in the small account."""

    def line(what: str, path: str) -> Line:
        requests = [
            load.get(path.format(list_id=account.list_id), account.token)
            for account in (bench.large, bench.small)
        ]
        return bench.against_itself(
            f"{what} at {bench.large.contacts:,}, to {bench.small.contacts:,}", *requests
        )

    return [
        line("include_count", "/v3/contacts?limit=50&include_count=true"),
        line("membership_count", "/v3/contact_lists/{list_id}?include_membership_count=all"),
        line("/contacts/counts", "/v3/contacts/counts"),
    ]


SECTIONS: dict[str, Callable[[Bench], list[Line]]] = {
    "contact": one_contact,
    "page": page,
    "walk": walk,
    "counts": counts,
    "client": client,
    "write": write,
}
"""Sections that measure requests to the large and the small account."""

ALONE: dict[str, Callable[[Path, int], list[Line]]] = {"bulk": bulk.measure, "acts": acts.measure}
"""Sections with a cluster of their own; called with a directory and the number of contacts."""

_ALL = (*SECTIONS, *ALONE)


def _cursor(account: data.Account, contact_id: UUID) -> str:
    """Return the cursor with which GET /v3/contacts answers the page that begins with the contact."""
    query = Query("/v3/contacts", b"", account_id=account.account_id, secret_key=serve.SECRET_KEY.encode())
    links = query.links(contact_id)
    assert links is not None
    return links.next.href.partition("cursor=")[2]


def main(arguments: Sequence[str]) -> int:
    """Run the sections named in the arguments; return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"{', '.join(_ALL)}; default: all")
    parser.add_argument(
        "--contacts",
        type=int,
        default=1_000_000,
        help="contacts in the large account, and rows of imported files; acts uses at most 100,000 (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="rounds of each measurement (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="length of each round (default: %(default)s)"
    )
    parser.add_argument(
        "--connections", type=int, default=32, help="concurrent connections (default: %(default)s)"
    )
    parser.add_argument(
        "--data-dir", type=Path, help="keep the data in this folder, and reuse it if it exists"
    )
    options = parser.parse_args(arguments)
    names: list[str] = options.sections or list(_ALL)
    if unknown := set(names) - set(_ALL):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    directory = options.data_dir or Path(tempfile.mkdtemp(prefix="everlist-bench-"))
    try:
        requests = [name for name in names if name in SECTIONS]
        lines = _measure(directory, requests, options) if requests else []
        for name in names:
            if name in ALONE:
                note(f"measuring {name}")
                lines += ALONE[name](directory, options.contacts)
    finally:
        if options.data_dir is None:
            shutil.rmtree(directory, ignore_errors=True)
    print(table(lines))
    return 0 if all(line.passed for line in lines) else 1


def _measure(directory: Path, names: Sequence[str], options: argparse.Namespace) -> list[Line]:
    generated = directory / "generated"
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster(directory))
        dsn = cluster.dsn()
        asyncio.run(migrate(dsn))
        if not generated.exists():
            began = perf_counter()
            asyncio.run(data.generate(dsn, contacts=options.contacts))
            generated.touch()
            note(f"{options.contacts:,} contacts generated in {perf_counter() - began:.0f} s")
        bench = Bench(
            cluster=cluster,
            directory=directory,
            large=asyncio.run(data.load(dsn, data.LARGE)),
            small=asyncio.run(data.load(dsn, data.SMALL)),
            everlist=stack.enter_context(serve.everlist(dsn, directory))[0],
            reference=stack.enter_context(serve.reference(dsn, directory)),
            rounds=options.rounds,
            seconds=options.seconds,
            connections=options.connections,
        )
        lines: list[Line] = []
        for name in names:
            note(f"measuring {name}")
            lines += SECTIONS[name](bench)
        return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
