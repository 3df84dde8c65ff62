"""The collector's log format: events with fields, one JSON object per line (plain text on a terminal).

Events go through the standard library's loggers below `uncia.collector`, so that a program that embeds a collector can
silence or redirect them. Log records, warnings and thread exceptions of libraries get the same format.
"""

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import Any

import structlog


def logger(name: str) -> Any:
    """The structured logger `uncia.collector.NAME`."""
    return structlog.wrap_logger(
        logging.getLogger(f"uncia.collector.{name}"),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _render,
        ],
    )


def configure_logs() -> None:
    """Send all logs, warnings and thread exceptions to standard error, for `uncia-collect serve`."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("uncia").setLevel(logging.INFO)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_exception


class _Lines(logging.Formatter):
    """Formats records: the collector's own are rendered already, a library's becomes a JSON event."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        if record.name.startswith("uncia.collector"):
            return record.getMessage()
        at = datetime.fromtimestamp(record.created, UTC).isoformat()
        event = {"event": record.getMessage(), "level": record.levelname.lower(), "timestamp": at}
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event | {"logger": record.name})


def _log_thread_exception(death: threading.ExceptHookArgs) -> None:
    name = death.thread.name if death.thread else ""
    if death.exc_value is not None:
        error = (death.exc_type, death.exc_value, death.exc_traceback)
        logging.getLogger("threading").error("a thread died: %s", name, exc_info=error)


def _render(log: Any, method: str, event: Any) -> Any:
    renderer: Any = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    return renderer(log, method, event)
