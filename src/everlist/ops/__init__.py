"""Operations: logs, metrics, child processes, and the PostgreSQL that comes along. Knows nothing of contacts."""
