"""What `setup` writes, with which owner and mode, and what it asks."""

from pathlib import Path

import pytest

from uncia_contract.cli.installation import Installation, asked
from uncia_contract.errors import ConfigurationError, StorageError


def test_nobody_else_can_read_a_key_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even before its mode is set; a new folder for it gets the usual mode."""
    modes, chmod = [], Path.chmod

    def noting(path: Path, mode: int) -> None:
        modes.append(path.stat().st_mode & 0o777)
        chmod(path, mode)

    monkeypatch.setattr(Path, "chmod", noting)
    Installation(root=tmp_path).write("/etc/uncia/ridge-01.key", b"secret", 0o600)
    assert (modes, (tmp_path / "etc/uncia").stat().st_mode & 0o777) == ([0o600], 0o755)


def test_a_second_run_gives_a_file_to_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first run the user did not exist yet, because the broker was not installed."""
    given: list[str] = []

    def refuse(path: Path, owner: str) -> None:
        raise LookupError("no such user: 'mosquitto'")

    monkeypatch.setattr("shutil.chown", refuse)
    with pytest.raises(StorageError, match="no such user"):
        Installation().write(f"{tmp_path}/uncia.acl", b"rules", 0o400, "mosquitto")
    monkeypatch.setattr("shutil.chown", lambda path, owner: given.append(owner))
    Installation().write(f"{tmp_path}/uncia.acl", b"rules", 0o400, "mosquitto")
    assert given == ["mosquitto"]


def test_a_file_of_a_user_who_is_gone_is_given_to_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card of another machine, or a removed user: the number of the owner has no name."""
    given: list[str] = []

    def nameless(path: Path) -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(Path, "owner", nameless)
    monkeypatch.setattr("shutil.chown", lambda path, owner: given.append(owner))
    for _ in range(2):
        Installation().write(f"{tmp_path}/uncia.acl", b"rules", 0o400, "mosquitto")
    assert given == ["mosquitto", "mosquitto"]


def test_an_empty_answer_is_refused_with_the_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-D at the question gives one line and no traceback."""

    def end(question: str) -> str:
        raise EOFError

    monkeypatch.setattr("os.isatty", lambda number: True)
    monkeypatch.setattr("builtins.input", end)
    with pytest.raises(ConfigurationError, match="--camera '': expected watched or picamera2"):
        asked(None, "whose pictures", "--camera", ("watched", "picamera2"))
