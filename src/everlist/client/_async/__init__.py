"""The client of an event loop. `_sync` is made from this folder by `make client`; edit only here."""
