"""The errors that uncia raises on purpose.

Each is also the builtin a caller would expect. A message is one line: what, where, expected, got, what to do.
Programs print it and leave with exit code 2; everything else is a bug and keeps its traceback.
"""

import msgspec

# What `msgspec.json.decode` raises for bytes that are not the expected JSON. Bad UTF-8 gives a UnicodeDecodeError.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class UnciaError(Exception):
    """The root of these errors: a mistake in the input, the configuration or the environment."""


class FrameError(UnciaError, ValueError):
    """A picture that cannot be used: empty, truncated, not a JPEG or too large."""


class UnreadableError(FrameError):
    """A picture whose file cannot be read now: a fault of the card or the share, or missing permission."""


class BundleError(UnciaError, ValueError):
    """A file that is not a model bundle, or a bundle that is damaged or whose parts do not fit together."""


class RuntimeMissingError(UnciaError, ImportError):
    """No TFLite interpreter is installed."""


class ConfigurationError(UnciaError, ValueError):
    """A configuration that names an unknown key or holds an impossible value."""


class MessageError(UnciaError, ValueError):
    """An MQTT message that does not follow its schema, or a topic that uncia does not use."""


class DataError(UnciaError, ValueError):
    """A data set, archive or run folder that cannot be read as requested."""


class BrokerError(UnciaError, ConnectionError):
    """A broker that cannot be reached or refuses the connection."""


class StorageError(UnciaError, OSError):
    """A store (outbox, catalogue, run folder) that cannot be read or written."""
