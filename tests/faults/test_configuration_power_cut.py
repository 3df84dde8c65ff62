"""Power cuts and remotely changed settings: the last acknowledged change or a later one is there, and no damage."""

from pathlib import Path
from typing import Any

from uncia_edge.service.overrides import OverrideFile

WORK = """
import sys
from pathlib import Path
from support.power_cut import leave_out_folder_fsyncs
from uncia_edge.service.overrides import OverrideFile

root, folder_sync = Path(sys.argv[1]), sys.argv[2] == "yes"
if not folder_sync:
    leave_out_folder_fsyncs()
marks = open(root / "marks", "a", buffering=1)
file = OverrideFile(root / "state" / "overrides.json")
for n in range(1, 60):
    file.set("budget_bytes", n)
    marks.write(f"set {n}\\n")
"""


def configuration_fault(disk: Path, promises: list[str]) -> str | None:
    """The problems that a restarted trap would have."""
    promised = len(promises)
    found = OverrideFile(disk / "state" / "overrides.json").current
    if found.revision < promised:
        return f"lost: revision {found.revision}, promised {promised}"
    return None if found.revision in (0, found.budget_bytes) else "wrong value"


def test_no_power_cut_loses_an_acknowledged_setting(power: Any) -> None:
    """A thousand cuts."""
    assert power.faults(power.record(WORK, "yes"), configuration_fault, states=1000) == []


def test_without_the_folders_fsync_settings_are_lost(power: Any) -> None:
    """Without the folder's fsync the check finds losses."""
    assert len(power.faults(power.record(WORK, "no"), configuration_fault, states=200)) >= 5
