"""Export contacts to a CSV file."""

from everlist.core.exports.columns import FIELDS, checked_fields
from everlist.core.exports.file import KEPT, read, size, sweep
from everlist.core.exports.job import ExportRequest, contact_exports

__all__ = ["FIELDS", "KEPT", "ExportRequest", "checked_fields", "contact_exports", "read", "size", "sweep"]
