"""Structured logs: one JSON object a line on standard error, with no personal data.

What is logged is what happened, how long it took and to which account: never an address, a name, a query
string, a body or a token. Errors carry the places they passed through, not the values there.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

if TYPE_CHECKING:
    from types import TracebackType

    from structlog.typing import EventDict


def configure(log_format: str) -> None:
    """Set up logging for this process; `log_format` is `json` or `console`."""
    structlog.configure(
        processors=[structlog.processors.add_log_level, *(_JSON if log_format == "json" else _CONSOLE)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Forward()], force=True)


def _json(_logger: object, _method: str, event: EventDict) -> bytes:
    event["timestamp"] = datetime.now(UTC)
    try:
        return msgspec.json.encode(event, enc_hook=repr)
    except UnicodeEncodeError:  # a lone surrogate, such as an odd file name has
        return json.dumps(event, default=str).encode()


def _bytes(_logger: object, _method: str, line: str) -> bytes:
    return line.encode(errors="backslashreplace")


_JSON: tuple[Any, ...] = (_json,)
_CONSOLE: tuple[Any, ...] = (
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.dev.ConsoleRenderer(),
    _bytes,
)


class _Forward(logging.Handler):
    """What libraries log of their own: warnings and errors, as templates, since their arguments are values."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().warning(
            "library",
            logger=record.name,
            template=str(record.msg).partition("\n")[0],  # uvicorn passes whole tracebacks
            **({"error": type(error).__name__, "at": places(error)} if error else {}),
        )


def places(error: BaseException) -> list[str]:
    """Where an error passed through: `file:line function`, outermost first; none of its values."""
    found: list[str] = []
    step: TracebackType | None = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        found.append(f"{code.co_filename}:{step.tb_lineno} {code.co_name}")
        step = step.tb_next
    return found
