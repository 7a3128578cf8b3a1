"""The database schema: numbered migrations in plain SQL, and the runner that applies them."""
