"""The words of V3's contract stand in the edges that speak it, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import everlist

SOURCE = Path(everlist.__file__).parent
SPEAK_V3 = ("v3", "rest", "ext", "client", "commands")
"""Folders of V3, of what the JSON edges share, of our own API, and of its clients."""
AT_THE_TOP = ("cli.py", "serve.py", "demo.py")
"""Programs that print V3's address."""
WORDS = re.compile(
    r"does not have a valid value|/v3/[a-z{]|permission_to_send|error_key|contacts\.api|\b_links\b"
)


def test_only_the_json_edges_know_the_words_of_v3() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{number}: {line.strip()}"
        for path in sorted(SOURCE.rglob("*.py"))
        if not {path.relative_to(SOURCE).parts[0]} & {*SPEAK_V3, *AT_THE_TOP}
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if WORDS.search(line)
    ]
    assert found == []
