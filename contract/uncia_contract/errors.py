"""The errors that uncia raises on purpose.

Each is also the builtin a caller would expect. A message is one line: what, where, expected, got, what to do.
Programs print it and leave with exit code 2; everything else is a bug and keeps its traceback.
"""

import msgspec

# What msgspec raises of bytes that are no such JSON; letters that are no UTF-8 are not its own error.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class UnciaError(Exception):
    """Root of all errors that name a mistake in input, configuration or surroundings."""


class FrameError(UnciaError, ValueError):
    """A picture that cannot be used: empty, truncated, not a JPEG, absurdly large."""


class UnreadableError(FrameError):
    """A picture whose file cannot be read now: the card, the share or its rights refuse."""


class BundleError(UnciaError, ValueError):
    """A model bundle that is not one, is damaged, or does not fit its parts together."""


class RuntimeMissingError(UnciaError, ImportError):
    """No TFLite interpreter is installed."""


class ConfigurationError(UnciaError, ValueError):
    """A configuration that names an unknown key or holds an impossible value."""


class MessageError(UnciaError, ValueError):
    """An MQTT message that does not follow its schema, or a topic that is not ours."""


class DataError(UnciaError, ValueError):
    """A data set that cannot be read as asked."""


class BrokerError(UnciaError, ConnectionError):
    """A broker that is not there or does not let us in."""


class StorageError(UnciaError, OSError):
    """A store (outbox, catalogue, run folder) that cannot be read or written."""
