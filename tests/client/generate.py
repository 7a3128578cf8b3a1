"""Makes the client of threads from that of event loops, and its tests from theirs: `make client`.

`async` and `await` go, and names change: AsyncClient to Client, `aclose` to `close`. What must differ by more
stands in `_runtime_async` and `_runtime_sync`, written by hand.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("src/everlist/client/_async", "tests/client/_async")
HEADER = "# Made from {source} by `make client`: edit that.\n"
NAMES = {
    "aclose": "close",
    "aread": "read",
    "aiter_bytes": "iter_bytes",
    "asynccontextmanager": "contextmanager",
    "handle_async_request": "handle_request",
    "StopAsyncIteration": "StopIteration",
}
_DUNDER = re.compile(r"__a(enter|exit|iter|next)__")
_DROPPED = re.compile(r"\b(?:async|await) ")


def renamed(name: str) -> str:
    """What a name of the asynchronous side is called on the other."""
    if name in NAMES:
        return NAMES[name]
    name = _DUNDER.sub(r"__\1__", name)
    name = re.sub(r"Async(?=[A-Z])", "", name)
    return re.sub(r"(?<![A-Za-z0-9])async_|_async\b", lambda found: found[0].replace("async", "sync"), name)


def synchronous(source: str) -> str:
    """The same code without waiting."""
    lines = source.splitlines(keepends=True)
    edits: list[tuple[int, int, int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        (row, start), (end_row, end) = token.start, token.end
        if token.type == tokenize.NAME and token.string in ("async", "await"):
            edits.append((row, start, end + 1, ""))
        elif token.type == tokenize.NAME and (new := renamed(token.string)) != token.string:
            edits.append((row, start, end, new))
        elif token.type in (tokenize.STRING, tokenize.COMMENT):
            text = _DROPPED.sub("", re.sub(r"\w+", lambda found: renamed(found[0]), token.string))
            if text != token.string:
                for at, line in enumerate(text.splitlines(keepends=True)):
                    first = start if at == 0 else 0
                    last = end if row + at == end_row else len(lines[row + at - 1])
                    edits.append((row + at, first, last, line))
    for row, start, end, new in sorted(edits, reverse=True):
        lines[row - 1] = lines[row - 1][:start] + new + lines[row - 1][end:]
    return "".join(lines)


def generated() -> Iterator[tuple[Path, str]]:
    """Every file that is made, and what shall stand in it."""
    for folder in FOLDERS:
        for source in sorted((ROOT / folder).glob("*.py")):
            target = source.parent.with_name("_sync") / source.name
            header = HEADER.format(source=source.relative_to(ROOT))
            yield target, tidy(header + synchronous(source.read_text(encoding="utf-8")), target)


def tidy(source: str, target: Path) -> str:
    """Sorted and formatted as the rest."""
    for words in (["check", "--fix-only", "--quiet", "--select", "I001"], ["format", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *words, "--stdin-filename", str(target), "-"]
        source = subprocess.run(
            command, input=source, capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
    return source


if __name__ == "__main__":
    for target, text in generated():
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
        print(f"wrote {target.relative_to(ROOT)}")
