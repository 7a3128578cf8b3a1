"""Operations: logs, metrics, child processes and the embedded PostgreSQL. Nothing here knows about contacts."""
