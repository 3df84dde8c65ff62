"""The request for a test sighting (`uncia-trap try`, command `try`): a file, until one burst was sent as a test.

A restart keeps the request.
"""

from pathlib import Path

from uncia_contract.files import write_durable


class Trial:
    """The request for a test sighting, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._note = folder / "try"

    @property
    def is_wanted(self) -> bool:
        """Whether to send the next burst whatever its verdict."""
        return self._note.exists()

    def ask(self) -> None:
        """Ask for a test sighting.

        Raises:
            OSError: the card cannot be written.
        """
        write_durable(self._note, b"")

    def done(self) -> None:
        """Remove the request, because a burst was sent as a test."""
        self._note.unlink(missing_ok=True)
