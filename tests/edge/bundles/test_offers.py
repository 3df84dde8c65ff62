"""A bundle that the base station offers: received in pieces, tested, installed; a bad one is withdrawn."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.bundles import bundle_bytes, select
from uncia_contract.errors import BundleError
from uncia_contract.messages.records import BundlePiece
from uncia_contract.model.bundle import bundle_from_bytes, bundle_offer, read_bundle
from uncia_edge.bundles.installed import InstalledBundle
from uncia_edge.bundles.loads import Loads
from uncia_edge.bundles.offers import Offers
from uncia_edge.scoring.delegate import ChosenClassifier


class World:
    """A trap's state folder, with a bundle in use."""

    def __init__(self, folder: Path, refuse: str | None = None) -> None:
        self.configured, self.state = folder / "configured.uncia", folder / "state"
        folder.mkdir(parents=True, exist_ok=True)
        if not self.configured.exists():
            self.configured.write_bytes(bundle_bytes(1))
        self.in_use = select(self.configured, self.state, accept)
        self.refuse, self.tried, self.sent = refuse, 0, 0
        self.installed = InstalledBundle(self.state / "bundle", self.configured)
        self.offers = Offers(
            *(self.state / "bundle", self.in_use.bundle.identity, self.state / "bundle" / "last-good.uncia"),
            *(self.installed, lambda seal: None, self.prove),
        )

    def prove(self, path: Path) -> str | None:
        self.tried += 1
        assert read_bundle(path)
        return self.refuse

    def send(self, content: bytes, piece: int = 500, most: int = 1000) -> bool:
        """Send at most `most` pieces; return whether the bundle is complete."""
        missing = self.offers.begin(bundle_offer(bundle_from_bytes(content), content))
        sha256 = bundle_from_bytes(content).sha256
        while missing and most:
            start, end = missing[0].start, min(missing[0].end, missing[0].start + piece)
            missing = self.offers.take(BundlePiece(sha256, start, content[start:end]))
            self.sent, most = self.sent + end - start, most - 1
        return not missing


def accept(path: Path, bundle: object) -> ChosenClassifier:
    return ChosenClassifier(None)  # type: ignore[arg-type]


def crash(path: Path, bundle: object) -> ChosenClassifier:
    raise SystemExit("segmentation fault")


def refuse(path: Path, bundle: object) -> ChosenClassifier:
    raise BundleError("its probes differ")


def test_an_offered_bundle_decides_after_the_next_start(tmp_path: Path) -> None:
    """It is byte for byte the offered one, and from then on the last good one."""
    world, content = World(tmp_path), bundle_bytes(2, b"another model " * 300)
    assert world.send(content)
    world.offers.install()
    assert (world.tried, world.installed.path is not None) == (1, True)
    again = World(tmp_path)
    assert again.in_use.bundle.identity == bundle_from_bytes(content).identity
    assert (again.state / "bundle" / "last-good.uncia").read_bytes() == content
    assert sorted(path.name.split("-")[0] for path in (again.state / "bundle").iterdir()) == [
        "earlier", "installed", "installed.json", "last", "loads.json",
    ]  # fmt: skip


def test_members_that_the_trap_has_are_not_sent_again(tmp_path: Path) -> None:
    """For a new head of a large model, only head and manifest are sent."""
    model = bytes(range(256)) * 400
    (tmp_path / "configured.uncia").write_bytes(bundle_bytes(1, model))
    world, content = World(tmp_path), bundle_bytes(2, model, head=0.5)
    assert world.send(content)
    assert world.sent < len(content) - len(model) + 1
    world.offers.install()
    assert World(tmp_path).in_use.bundle.manifest.version == 2


@pytest.mark.parametrize("keep", [None, -100, -1], ids=["all", "torn", "a byte less"])
def test_a_transfer_goes_on_where_it_was(tmp_path: Path, keep: int | None) -> None:
    """After a restart, and with only a part of the last piece on the card."""
    world, content = World(tmp_path), bundle_bytes(2, b"m" * 5000)
    assert not world.send(content, most=4)
    part = world.state / "bundle" / "offered.part"
    part.write_bytes(part.read_bytes()[:keep])
    again = World(tmp_path)
    assert again.send(content)
    assert again.sent < len(content) - 1500
    again.offers.install()
    assert again.installed.path is not None


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6000), st.integers(1, 900)), max_size=20), st.integers(100, 3000))
def test_pieces_out_of_order_or_twice_do_no_harm(
    tmp_path_factory: pytest.TempPathFactory, strays: list[tuple[int, int]], piece: int
) -> None:
    """Only the next piece is stored."""
    world, content = World(tmp_path_factory.mktemp("trap")), bundle_bytes(2, bytes(range(250)) * 20)
    bundle = bundle_from_bytes(content)
    missing = world.offers.begin(bundle_offer(bundle, content))
    for start, length in strays:
        if content[start : start + length]:
            missing = world.offers.take(BundlePiece(bundle.sha256, start, content[start : start + length]))
    assert missing
    assert world.send(content, piece)
    world.offers.install()
    installed = world.installed.path
    assert installed is not None and installed.read_bytes() == content


def test_damaged_bytes_are_found_and_the_transfer_starts_again(tmp_path: Path) -> None:
    """The bundle is neither tested nor installed."""
    world, content = World(tmp_path), bundle_bytes(2, b"m" * 5000)
    assert world.send(content)
    part = world.state / "bundle" / "offered.part"
    part.write_bytes(bytes(len(part.read_bytes())))
    with pytest.raises(BundleError, match="damaged on its way"):
        world.offers.install()
    assert (world.tried, world.installed.path) == (0, None)
    assert world.send(content)
    world.offers.install()
    assert world.installed.path is not None


@pytest.mark.parametrize(
    ("offered", "reason"),
    [
        (lambda: bundle_bytes(1, b"other"), "not newer than 1"),
        (lambda: bundle_bytes(1), "not newer than 1"),
    ],
    ids=["as old", "the same"],
)
def test_a_bundle_that_is_not_newer_is_refused_before_it_is_sent(
    tmp_path: Path, offered: Callable[[], bytes], reason: str
) -> None:
    """Versions only grow."""
    world = World(tmp_path)
    with pytest.raises(BundleError, match=reason):
        world.send(offered())
    assert world.sent == 0


def test_an_offer_with_a_wrong_version_is_refused(tmp_path: Path) -> None:
    """The version in the bundle counts."""
    world, content = World(tmp_path), bundle_bytes(1, b"older" * 100)
    bundle = bundle_from_bytes(content)
    lie = bundle_offer(bundle, content)
    lie = type(lie)(type(lie.bundle)("told", 9, bundle.sha256), lie.size, lie.parts)
    missing = world.offers.begin(lie)
    while missing:
        missing = world.offers.take(
            BundlePiece(bundle.sha256, missing[0].start, content[missing[0].start : missing[0].end])
        )
    with pytest.raises(BundleError, match="not newer"):
        world.offers.install()
    assert (world.tried, world.installed.path) == (0, None)


def test_a_bundle_that_does_not_run_here_is_not_installed(tmp_path: Path) -> None:
    """The base station gets the reason."""
    world = World(tmp_path, refuse="its probes differ by 0.4")
    assert world.send(bundle_bytes(2, b"m" * 900))
    with pytest.raises(BundleError, match=r"does not run here: its probes differ by 0\.4"):
        world.offers.install()
    assert (world.installed.path, World(tmp_path).in_use.bundle.manifest.version) == (None, 1)


def test_a_piece_of_another_bundle_is_refused(tmp_path: Path) -> None:
    """Nothing is written."""
    world = World(tmp_path)
    with pytest.raises(BundleError, match="was not offered"):
        world.offers.take(BundlePiece("0" * 64, 0, b"x"))
    assert not (world.state / "bundle" / "offered.part").exists()


def test_without_room_an_offer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sequences need the space."""
    world = World(tmp_path)
    monkeypatch.setattr("uncia_edge.bundles.offers._SPARE_BYTES", 1 << 60)
    with pytest.raises(BundleError, match="no room on the card"):
        world.send(bundle_bytes(2))


def installed(folder: Path) -> World:
    world = World(folder)
    assert world.send(bundle_bytes(2, b"another"))
    world.offers.install()
    return world


def test_an_installed_bundle_that_is_refused_later_is_withdrawn(tmp_path: Path) -> None:
    """After an update of the runtime: the configured bundle decides, and the state says why."""
    world = installed(tmp_path)
    in_use = select(
        world.configured, world.state, lambda path, b: (refuse if "installed" in path.name else accept)(path, b)
    )
    assert (in_use.bundle.manifest.version, "its probes differ" in str(in_use.refused)) == (1, True)
    assert world.installed.path is None


def test_an_installed_bundle_that_ends_the_process_is_tried_twice(tmp_path: Path) -> None:
    """The service restarts each time; the third time it uses the configured one."""
    world = installed(tmp_path)
    for _ in range(2):
        with pytest.raises(SystemExit):
            select(world.configured, world.state, crash)
    in_use = select(
        world.configured, world.state, lambda path, b: (crash if "installed" in path.name else accept)(path, b)
    )
    assert (in_use.bundle.manifest.version, "ended the trap 2 times" in str(in_use.refused)) == (1, True)


def test_power_cuts_do_not_deny_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even with a power cut at each start: each is another boot."""
    world = installed(tmp_path)
    loads = Loads(world.state / "bundle")
    for boot in range(20):
        monkeypatch.setattr("uncia_edge.bundles.loads.read_clock", lambda boot=boot: SimpleNamespace(boot_id=str(boot)))
        in_use = select(world.configured, world.state, accept)
        assert in_use.bundle.manifest.version == 2
        loads.use(in_use.bundle.sha256)


def test_a_bundle_that_ends_the_trap_while_it_scores_is_rolled_back(tmp_path: Path) -> None:
    """After five times within one boot it is denied, whether it is offered or copied by hand."""
    world = installed(tmp_path)
    loads = Loads(world.state / "bundle")
    for _ in range(5):
        in_use = select(world.configured, world.state, accept)
        assert in_use.bundle.manifest.version == 2
        loads.use(in_use.bundle.sha256)  # then the process ends
    for _ in range(3):
        in_use = select(world.configured, world.state, accept)
        assert in_use.bundle.manifest.version == 1
        loads.use(in_use.bundle.sha256)
        loads.settle(in_use.bundle.sha256)
    again = World(tmp_path)
    with pytest.raises(BundleError, match=r"ended the trap 5 times after it was loaded; denied until .*loads\.json"):
        again.send(bundle_bytes(2, b"another"))
    world.configured.write_bytes(bundle_bytes(2, b"another"))
    in_use = select(world.configured, world.state, accept)
    assert (in_use.bundle.manifest.version, "denied" in str(in_use.refused)) == (1, True)
    assert again.send(bundle_bytes(3, b"mended"))


def test_a_proved_bundle_that_ends_the_trap_while_it_is_loaded_is_rolled_back(tmp_path: Path) -> None:
    """For example after an update of the runtime: it reproduced its probes before."""
    world = installed(tmp_path)
    select(world.configured, world.state, accept)
    for _ in range(5):
        with pytest.raises(SystemExit):
            select(world.configured, world.state, crash)
    in_use = select(
        world.configured, world.state, lambda path, b: (crash if "installed" in path.name else accept)(path, b)
    )
    assert (in_use.bundle.manifest.version, "ended the trap 5 times" in str(in_use.refused)) == (1, True)


def test_a_configured_bundle_that_ends_the_trap_is_rolled_back(tmp_path: Path) -> None:
    """The good bundle before it is used, which was kept."""
    world = World(tmp_path)
    world.configured.write_bytes(bundle_bytes(2, b"by hand"))
    loads = Loads(world.state / "bundle")
    for _ in range(5):
        loads.use(select(world.configured, world.state, accept).bundle.sha256)
    in_use = select(world.configured, world.state, accept)
    assert (in_use.bundle.manifest.version, "ended the trap 5 times" in str(in_use.refused)) == (1, True)


def test_a_trap_without_another_bundle_goes_on_trying(tmp_path: Path) -> None:
    """That is better than no trap."""
    world = World(tmp_path)
    loads = Loads(world.state / "bundle")
    for _ in range(8):
        in_use = select(world.configured, world.state, accept)
        loads.use(in_use.bundle.sha256)
    assert (in_use.bundle.manifest.version, str(in_use.refused).count("ended the trap 5 times")) == (1, 1)


def test_a_denied_bundle_is_used_before_a_damaged_one(tmp_path: Path) -> None:
    """The configured file cannot be read any more, and the last good one has ended the trap five times."""
    world = World(tmp_path)
    loads = Loads(world.state / "bundle")
    for _ in range(5):
        loads.use(select(world.configured, world.state, accept).bundle.sha256)
    world.configured.write_bytes(b"damaged")
    in_use = select(world.configured, world.state, accept)
    told = str(in_use.refused)
    assert (in_use.bundle.manifest.version, told.startswith("bundle denied: "), "truncated" in told) == (1, True, True)


def test_a_bundle_that_a_person_copies_there_is_used(tmp_path: Path) -> None:
    """Whatever its version."""
    world = installed(tmp_path)
    world.configured.write_bytes(bundle_bytes(1, b"by hand"))
    again = World(tmp_path)
    assert (again.in_use.bundle.members["model.tflite"], again.installed.path) == (b"by hand", None)
