"""Everlist: a self-hosted contact, list and consent server."""
