"""`python -m everlist` is `everlist`."""

from everlist.cli import main

main()
