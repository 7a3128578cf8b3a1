"""The embedded PostgreSQL: created, started, watched and stopped by Everlist itself.

A process that needs the database holds a `Cluster`. The first one starts a small supervisor (`python -m
everlist.ops.embedded`). The supervisor runs postgres as its child, restarts it when it dies, and stops it when no
process holds a `Cluster` any more. Pids are never trusted, because the kernel reuses them. Three files in the data
directory carry nothing but locks (flock), which the kernel drops when the last holder is gone, whatever killed it:

- `postgresql.users`: shared by every process that uses the cluster, for as long as it lives. The supervisor takes it
  exclusively once no user is left, and keeps it until postgres has stopped. A new user waits for that, and then
  starts afresh.
- `postgresql.supervisor`: held by the supervisor. A process that gets this lock must start a supervisor, and passes
  the locked descriptor on to it. So there is no moment at which two processes could start one.
- `postgresql.server`: inherited by initdb, postgres and all their children. It is free only when the last of them is
  gone.

postgres refuses to run as root. If root starts Everlist, postgres runs as an unprivileged user, who gets its
directories as open file descriptors and so needs no access to the directories above them.
"""

import sys

from everlist.errors import StartError

if sys.platform == "win32":
    raise StartError("the embedded PostgreSQL needs Linux or macOS: set EVERLIST_DATABASE_URL")

from everlist.ops.embedded.cluster import Cluster
from everlist.ops.embedded.programs import binary

__all__ = ["Cluster", "binary"]
