"""Imports of contacts: from the bytes of a file to rows that are ready for the contacts."""
