"""The background process: runs bulk activities, sends mail, rolls up counters and deletes what has expired."""
