"""Output of C++ libraries is hidden, unless an error is raised."""

import os

import pytest

from uncia_contract.model.stderr_filter import silenced_unless_error, without_info_lines


def chatter() -> None:
    os.write(1, b"from C++\n")
    os.write(2, b"W0000 a warning from C++\n")


def test_output_is_hidden(capfd: pytest.CaptureFixture[str]) -> None:
    """Of both streams; output after the block is shown again."""
    with silenced_unless_error():
        chatter()
    os.write(1, b"after\n")
    assert tuple(capfd.readouterr()) == ("after\n", "")


def test_an_error_shows_the_output(capfd: pytest.CaptureFixture[str]) -> None:
    """It may explain the error."""
    with pytest.raises(ValueError, match="no"), silenced_unless_error():
        chatter()
        raise ValueError("no")
    assert "W0000 a warning from C++" in capfd.readouterr().err


def test_an_interruption_shows_no_output(capfd: pytest.CaptureFixture[str]) -> None:
    """After Ctrl-C there is nothing to explain."""
    with pytest.raises(KeyboardInterrupt), silenced_unless_error():
        chatter()
        raise KeyboardInterrupt
    assert tuple(capfd.readouterr()) == ("", "")


def test_errors_of_the_library_are_shown(capfd: pytest.CaptureFixture[str]) -> None:
    """Only lines that begin with INFO: are hidden."""
    with without_info_lines():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: no memory\n")
    assert capfd.readouterr().err == "ERROR: no memory\n"
