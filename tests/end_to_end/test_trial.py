"""A test sighting: `uncia-trap try`, a burst without an animal, and its sequence at the base station."""

from pathlib import Path

import pytest
from tests.end_to_end.conftest import record_bursts
from tests.end_to_end.test_trap_life import Base, base, strict_bundle

from uncia_contract.messages.records import SequenceRecord, decode
from uncia_edge.cli.main import main
from uncia_edge.outbox.state_folder import claimed
from uncia_edge.service.decision_log import DecisionLog
from uncia_edge.service.runtime import Runtime
from uncia_edge.settings import CameraSettings

__all__ = ["base", "strict_bundle"]


def configuration(folder: Path) -> Path:
    """A trap with its state folder beside its configuration."""
    path = folder / "trap.toml"
    path.write_text('trap = "ridge-1"\nbundle = "any.uncia"\nstate = "state"\n')
    return path


def test_the_next_burst_is_sent_whatever_its_verdict(base: Base, strict_bundle: Path) -> None:
    """Requested before the start: of two rejected bursts the first arrives, despite the budget, marked as a test."""
    camera = CameraSettings(folder=str(record_bursts(base.folder / "r", 2)))
    (base.folder / "state").mkdir()
    assert main(["try", "--config", str(configuration(base.folder))]) == 0
    with Runtime(base.trap(strict_bundle, camera)) as trap:
        trap.delivery.budget.limit(1)
        observed = []
        trap.run(observed.append)
        assert trap.wait_delivered(60)
    assert [one.record.test for one in observed] == [True, False]
    [row] = base.rows()
    assert (row.test, row.positive, row.audit, row.frames_stored) == (True, False, False, 3)
    assert decode(row.record, SequenceRecord).test
    assert [entry.get("test", False) for entry in DecisionLog(base.folder / "state").read()] == [True, False]


@pytest.mark.parametrize(("runs", "said"), [(True, "whatever its verdict.\n"), (False, "waits until the trap runs")])
def test_who_asks_is_told_whether_the_trap_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], runs: bool, said: str
) -> None:
    """Without a running service, the request waits for its start."""
    (tmp_path / "state").mkdir()
    with claimed(tmp_path / ("state" if runs else "other")):
        assert main(["try", "--config", str(configuration(tmp_path))]) == 0
    assert said in capsys.readouterr().out


def test_a_trap_that_never_ran_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command does not create the state folder, because it would belong to root."""
    assert main(["try", "--config", str(configuration(tmp_path))]) == 2
    assert "not there yet; start the trap once" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
