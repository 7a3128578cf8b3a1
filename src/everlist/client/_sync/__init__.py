# Made from src/everlist/client/_async/__init__.py by `make client`: edit that.
"""The client of an event loop. `_sync` is made from this folder by `make client`; edit only here."""
