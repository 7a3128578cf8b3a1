"""The rights of a person: permanent erasure with receipts and the erase ledger, and the record for an access request."""
