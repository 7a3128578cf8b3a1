"""All rules and all SQL. Knows no HTTP and no API version."""
