"""The whole schema as SQL, for reading and for review: `python -m tests.schema.snapshot` renews it."""

from __future__ import annotations

import asyncio
import re
import subprocess
import tempfile
from pathlib import Path

import everlist.schema
from everlist.ops.embedded import Cluster, binary
from everlist.schema.migrate import migrate

VERSION = 18
"""The PostgreSQL whose words the snapshot is in; others say the same in others."""
FILE = Path(everlist.schema.__file__).with_name("current.sql")

_HEADER = """\
-- The schema that the migrations make, as pg_dump tells it. `make schema` writes this file; nothing runs it.

"""
_NOISE = re.compile(r"--|SET |SELECT pg_catalog\.set_config|\\(un)?restrict ")
_USUAL_SEQUENCE = re.compile(
    r" \(\n    SEQUENCE NAME \w+\n    START WITH 1\n    INCREMENT BY 1\n    NO MINVALUE\n    NO MAXVALUE\n    CACHE 1\n\)"
)


def snapshot(dsn: str) -> str:
    """The schema of a database: no owners, comments or settings, a blank line only around tables."""
    dump = [binary("pg_dump", VERSION), "--schema-only", "--no-owner", "--no-privileges"]
    told = subprocess.run([*dump, dsn], check=True, capture_output=True, text=True, timeout=60).stdout
    text = "\n".join(line for line in told.splitlines() if line and not _NOISE.match(line))
    text = text.replace("public.", "").replace("\n    ADD CONSTRAINT", " ADD CONSTRAINT")
    text = _USUAL_SEQUENCE.sub("", text)
    text = re.sub(r"\n(?=CREATE (TABLE|FUNCTION|TYPE))", "\n\n", text)
    return _HEADER + re.sub(r"\n(\);)\n(?!\n)", r"\n\1\n\n", text) + "\n"


def renewed() -> str:
    """The snapshot of the migrations of this program, from a cluster of its own."""
    with tempfile.TemporaryDirectory(prefix="everlist-schema-") as folder:
        with Cluster(Path(folder), VERSION, durable=False) as cluster:
            asyncio.run(migrate(cluster.dsn()))
            return snapshot(cluster.dsn())


if __name__ == "__main__":
    FILE.write_text(renewed(), encoding="utf-8")
    print(f"wrote {FILE}")
