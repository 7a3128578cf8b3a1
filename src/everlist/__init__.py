"""Everlist: a self-hosted contact, list and consent server."""

__version__ = "0.1.0"
