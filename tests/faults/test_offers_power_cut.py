"""Power cuts while bundles are received and installed."""

from pathlib import Path
from typing import Any

from support.bundles import bundle_bytes
from uncia_contract.files import make_folder
from uncia_contract.messages.records import BundleIdentity, BundlePiece
from uncia_contract.model.bundle import bundle_from_bytes, bundle_offer, read_bundle
from uncia_edge.bundles.installed import InstalledBundle
from uncia_edge.bundles.offers import Offers

WORK = """
import sys
from pathlib import Path
from support.power_cut import leave_out_folder_fsyncs
from tests.faults.test_offers_power_cut import offer
if sys.argv[2] == "no":
    leave_out_folder_fsyncs()
root = Path(sys.argv[1])
marks = open(root / "marks", "a", buffering=1)
for version in range(2, 14):
    assert offer(root, version)
    marks.write(f"installed {version}\\n")
"""


def offer(root: Path, version: int) -> bool:
    """Send and install that version; return whether the first attempt succeeded."""
    folder, content = root / "state" / "bundle", bundle_bytes(version, bytes([version]) * 2500)
    installed = InstalledBundle(folder, root / "configured.uncia")
    bundle = bundle_from_bytes(content)
    offers = Offers(
        folder, BundleIdentity("told", version - 1, "0" * 64), folder / "none", installed, id, lambda _: None
    )
    make_folder(folder.parent)
    missing = offers.begin(bundle_offer(bundle, content))
    while missing:
        start, end = missing[0].start, min(missing[0].end, missing[0].start + 700)
        missing = offers.take(BundlePiece(bundle.sha256, start, content[start:end]))
    try:
        offers.install()
    except ValueError:
        return False
    return True


def fault(disk: Path, promises: list[str]) -> str | None:
    """The problem of a restarted trap: no bundle, an older one than was confirmed, or a damaged one."""
    installed = InstalledBundle(disk / "state" / "bundle", disk / "configured.uncia")
    promised = int(promises[-1].split()[1]) if promises else 0
    path = installed.path
    if promised and path is None:
        return "lost"
    version = read_bundle(path).manifest.version if path else 0
    if version < promised:
        return f"lost: version {version}, promised {promised}"
    return None if offer(disk, 13) or offer(disk, 13) else "a transfer that was cut cannot be begun again"


def test_no_power_cut_leaves_a_trap_without_the_bundle_it_installed(power: Any) -> None:
    """After each of a thousand cuts, the next offer succeeds."""
    assert power.faults(power.record(WORK, "yes"), fault, states=1000) == []


def test_the_replay_finds_what_a_missing_fsync_loses(power: Any) -> None:
    """Without the folder's fsync the check finds that an installed bundle is gone."""
    found = power.faults(power.record(WORK, "no"), fault, states=200)
    assert len([one for one in found if "lost" in one]) >= 5
