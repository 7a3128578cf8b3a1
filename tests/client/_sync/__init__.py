# Made from tests/client/_async/__init__.py by `make client`: edit that.
