"""Write structured logs: one JSON object a line on standard error, without personal data.

Log the event, its duration and the account; never an address, a name, a query string, a body or a token. For an
error, log its type and the lines of code it passed through (`places`), not the values there.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType


def configure(log_format: str) -> None:
    """Set up logging for this process; `log_format` is `json` or `console`."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(),
            _as_bytes,
        ],
        wrapper_class=_Json if log_format == "json" else structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: _LossyLogger(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Forward()], force=True)


class _LossyLogger(structlog.BytesLogger):
    """Write lines; drop a line that cannot be written, because a full disk must not stop the server."""

    def msg(self, message: bytes) -> None:
        with contextlib.suppress(OSError):
            super().msg(message)

    info = warning = error = msg


class _Json(structlog.BoundLoggerBase):
    """Encode each event directly: a chain of processors would take a tenth of the time of a small request."""

    def info(self, event: str, **values: object) -> None:
        self._write("info", event, values)

    def warning(self, event: str, **values: object) -> None:
        self._write("warning", event, values)

    def error(self, event: str, **values: object) -> None:
        self._write("error", event, values)

    def infos(self, event: str, events: Iterable[dict[str, object]]) -> None:
        """Log several events, each with its `timestamp`, in one write."""
        self._logger.msg(
            b"\n".join([_line({**values, "event": event, "level": "info"}) for values in events])
        )

    def _write(self, level: str, event: str, values: dict[str, object]) -> None:
        self._logger.msg(_line({**values, "event": event, "level": level, "timestamp": datetime.now(UTC)}))


_encode = msgspec.json.Encoder(enc_hook=repr).encode


def _line(values: dict[str, object]) -> bytes:
    try:
        return _encode(values)
    except UnicodeEncodeError:  # a lone surrogate, for example from a file name that is not UTF-8
        return json.dumps(values, default=str).encode()


def infos(log: Any, event: str, events: Iterable[dict[str, object]]) -> None:
    """Call `log.info(event, **values)` for each of `events`, in one write."""
    if isinstance(log, _Json):
        log.infos(event, events)
    else:
        for values in events:
            log.info(event, **values)


def _as_bytes(_logger: object, _method: str, line: Any) -> bytes:
    return line.encode(errors="backslashreplace")


class _Forward(logging.Handler):
    """Log the warnings and errors of libraries, without their arguments, which may be personal data."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().warning(
            "a library logged a warning",
            logger=record.name,
            template=str(record.msg).partition("\n")[0],  # uvicorn passes whole tracebacks
            **({"error": type(error).__name__, "at": places(error)} if error else {}),
        )


def places(error: BaseException) -> list[str]:
    """Return the traceback of an error as `file:line function`, outermost first, without values."""
    steps: list[str] = []
    step: TracebackType | None = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        steps.append(f"{code.co_filename}:{step.tb_lineno} {code.co_name}")
        step = step.tb_next
    return steps
