"""What C++ libraries write is kept from the terminal, unless an error needs it."""

import os

import pytest

from uncia_contract.model.stderr_filter import silenced_unless_error, without_info_lines


def chatter() -> None:
    os.write(1, b"from C++\n")
    os.write(2, b"W0000 a warning from C++\n")


def test_nothing_comes_through(capfd: pytest.CaptureFixture[str]) -> None:
    """Of either stream, and what comes after is heard again."""
    with silenced_unless_error():
        chatter()
    os.write(1, b"after\n")
    assert tuple(capfd.readouterr()) == ("after\n", "")


def test_an_error_brings_what_was_said(capfd: pytest.CaptureFixture[str]) -> None:
    """It may be all that explains it."""
    with pytest.raises(ValueError, match="no"), silenced_unless_error():
        chatter()
        raise ValueError("no")
    assert "W0000 a warning from C++" in capfd.readouterr().err


def test_an_interruption_brings_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C explains itself."""
    with pytest.raises(KeyboardInterrupt), silenced_unless_error():
        chatter()
        raise KeyboardInterrupt
    assert tuple(capfd.readouterr()) == ("", "")


def test_errors_of_the_library_come_through(capfd: pytest.CaptureFixture[str]) -> None:
    """Only lines that begin with INFO: are dropped."""
    with without_info_lines():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: no memory\n")
    assert capfd.readouterr().err == "ERROR: no memory\n"
