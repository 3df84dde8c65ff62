"""How the collector logs: events with fields, one JSON object a line (readable lines on a terminal).

Decides the form only. Events go through the standard library's loggers below `uncia.collector`, so that a program that
embeds a collector can silence or redirect them.
"""

import logging
import sys
from typing import Any

import structlog


def logger(name: str) -> Any:
    """A structured logger below `uncia.collector`."""
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
    """Write events to standard error: what `uncia-collect serve` does."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    root = logging.getLogger("uncia")
    root.handlers, root.propagate = [handler], False
    root.setLevel(logging.INFO)


def _render(log: Any, method: str, event: Any) -> Any:
    renderer: Any = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    return renderer(log, method, event)
