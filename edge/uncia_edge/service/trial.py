"""A test sighting that was asked for: noted beside the outbox until a burst has answered it.

Decides that a restart keeps the wish and that one burst is enough. `uncia-trap try` and the command `try` ask.
"""

from pathlib import Path

from uncia_contract.files import write_durable


class Trial:
    """The wish for a test sighting, kept in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._note = folder / "try"

    @property
    def is_wanted(self) -> bool:
        """Whether the next burst is to be sent whatever its verdict."""
        return self._note.exists()

    def ask(self) -> None:
        """Ask for one.

        Raises:
            OSError: the card cannot be written.
        """
        write_durable(self._note, b"")

    def done(self) -> None:
        """A burst was sent as a test."""
        self._note.unlink(missing_ok=True)
