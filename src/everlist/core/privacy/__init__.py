"""The rights of a person: erasing for good, with receipts and the erase ledger, and the record for a request of access."""
