"""A trap with a key accepts no unsigned, changed or older bundle."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from support.bundles import bundle_bytes
from uncia_contract.errors import BundleError, ConfigurationError
from uncia_contract.messages.records import SignedKeys
from uncia_contract.model.bundle import bundle_from_bytes, write_bundle
from uncia_converter.cli import main as convert
from uncia_edge.bundles.keys import TrustedKeys
from uncia_edge.bundles.releases import Releases
from uncia_edge.bundles.trust import Trust


class Maker:
    """Signs bundles."""

    def __init__(self, folder: Path, name: str = "maker") -> None:
        self.folder, key = folder, Ed25519PrivateKey.generate()
        self.key, self.pem = folder / f"{name}.key", folder / f"{name}.pem"
        self.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.pem.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def signed(self, content: bytes) -> bytes:
        path = self.folder / "a.uncia"
        path.write_bytes(content)
        assert convert(["sign", str(path), "--key", str(self.key)]) == 0
        return path.read_bytes()


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def trust(maker: Maker, *spare: Maker, names: tuple[str, ...] = ()) -> Trust:
    """The trust of a trap whose state is in the maker's folder."""
    keys = TrustedKeys((maker.pem, *(one.pem for one in spare)), maker.folder / "keys.json")
    return Trust(keys, Releases(maker.folder / "releases.json", maker.folder / "last-good.uncia"), names)


def check(maker: Maker, content: bytes) -> None:
    bundle_from_bytes(content, trust(maker).vouch)


def test_what_the_maker_signed_is_taken(maker: Maker) -> None:
    """Signing twice gives the same bytes."""
    signed = maker.signed(bundle_bytes(2))
    check(maker, signed)
    assert maker.signed(signed) == signed
    assert bundle_from_bytes(signed).manifest == bundle_from_bytes(bundle_bytes(2)).manifest


def tampered(maker: Maker) -> bytes:
    """The signature of another bundle's manifest."""
    signature = bundle_from_bytes(maker.signed(bundle_bytes(2))).signature
    other = bundle_from_bytes(bundle_bytes(2, b"another model"))
    return write_bundle(other.manifest, other.members, signature)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda maker: bundle_bytes(2), "unsigned: expected a signature by a trusted key"),
        (lambda maker: Maker(maker.folder, "other").signed(bundle_bytes(2)), r"not by the key of maker\.pem"),
        (tampered, r"not by the key of maker\.pem"),
    ],
    ids=["unsigned", "by somebody else", "tampered"],
)
def test_what_the_maker_did_not_sign_is_refused(maker: Maker, made: Callable[[Maker], bytes], reason: str) -> None:
    """The error says what was expected."""
    with pytest.raises(BundleError, match=reason):
        check(maker, made(maker))


@pytest.mark.parametrize("noted", [True, False], ids=["a release noted", "a trap of release 0.1"])
def test_what_is_older_than_what_ran_is_refused(maker: Maker, noted: bool) -> None:
    """An old bundle also has a valid signature."""
    ran = bundle_from_bytes(maker.signed(bundle_bytes(3)))
    if noted:
        trust(maker).note(ran)
    else:
        (maker.folder / "last-good.uncia").write_bytes(maker.signed(bundle_bytes(3)))
    check(maker, maker.signed(bundle_bytes(3)))
    with pytest.raises(BundleError, match="told 2 is older than 3"):
        check(maker, maker.signed(bundle_bytes(2)))


def test_a_hop_over_another_name_lowers_nothing(maker: Maker) -> None:
    """The other name is refused; if both names are expected, its low version does not allow older bundles."""
    ran = [bundle_from_bytes(maker.signed(bundle_bytes(version, name=name))) for version, name in ((3, "told"),)]
    trust(maker).note(ran[0])
    hop = maker.signed(bundle_bytes(1, name="else"))
    with pytest.raises(BundleError, match="named else, expected told"):
        check(maker, hop)
    both = trust(maker, names=("told", "else"))
    with pytest.raises(BundleError, match="else 1 is older than 3"):
        bundle_from_bytes(hop, both.vouch)
    later = bundle_from_bytes(maker.signed(bundle_bytes(4, name="else")), both.vouch)
    both.note(later)
    with pytest.raises(BundleError, match="told 3 is older than 4"):
        bundle_from_bytes(maker.signed(bundle_bytes(3)), both.vouch)


@pytest.mark.parametrize("damage", [b"", b"PK", None], ids=["empty", "torn", "gone"])
def test_a_damaged_last_good_bundle_lowers_nothing(maker: Maker, damage: bytes | None) -> None:
    """The highest version is in a file of its own."""
    trust(maker).note(bundle_from_bytes(maker.signed(bundle_bytes(3))))
    if damage is not None:
        (maker.folder / "last-good.uncia").write_bytes(damage)
    with pytest.raises(BundleError, match="told 2 is older than 3"):
        check(maker, maker.signed(bundle_bytes(2)))


def test_the_spare_key_counts_for_itself(maker: Maker) -> None:
    """Its first bundle may have a low version, because versions count for each signer."""
    spare = Maker(maker.folder, "spare")
    both = trust(maker, spare)
    both.note(bundle_from_bytes(maker.signed(bundle_bytes(3))))
    assert bundle_from_bytes(spare.signed(bundle_bytes(1)), both.vouch)


def test_a_trap_of_release_0_1_counts_for_the_key_that_signed(maker: Maker) -> None:
    """Once there is a note, the version of the last good bundle does not count for the spare key."""
    spare, last = Maker(maker.folder, "spare"), maker.signed(bundle_bytes(3))
    (maker.folder / "last-good.uncia").write_bytes(last)
    both = trust(maker, spare)
    both.note(bundle_from_bytes(last))
    assert bundle_from_bytes(spare.signed(bundle_bytes(1)), both.vouch)


def statement(maker: Maker, by: Maker, serial: int, active: Maker, spare: Maker | None = None) -> SignedKeys:
    """As `uncia-convert keys` writes it."""
    words = ["keys", "--key", str(by.key), "--serial", str(serial), "--active", str(active.pem)]
    out = maker.folder / "new.keys"
    assert convert([*words, *(["--spare", str(spare.pem)] if spare else []), "--out", str(out)]) == 0
    return msgspec.json.decode(out.read_bytes(), type=SignedKeys)


def test_keys_are_replaced_by_what_one_of_them_signed(maker: Maker) -> None:
    """Twice, the second time by a key that trap.toml never named; then the old keys are invalid."""
    spare, third, fourth = (Maker(maker.folder, name) for name in ("spare", "third", "fourth"))
    now = trust(maker, spare)
    now.note(bundle_from_bytes(maker.signed(bundle_bytes(3))))
    assert now.replace_keys(statement(maker, spare, 1, third, spare)) == 1
    assert now.replace_keys(statement(maker, third, 2, third, fourth)) == 2
    for again in (now, trust(maker, spare)):  # now, and after a restart
        assert bundle_from_bytes(fourth.signed(bundle_bytes(3)), again.vouch)
        for gone in (maker, spare):
            with pytest.raises(BundleError, match="not by the key of statement 2"):
                bundle_from_bytes(gone.signed(bundle_bytes(9)), again.vouch)
        with pytest.raises(BundleError, match="told 2 is older than 3"):  # new keys inherit what ran
            bundle_from_bytes(third.signed(bundle_bytes(2)), again.vouch)


def test_a_statement_that_does_not_follow_changes_nothing(maker: Maker) -> None:
    """Signed by another key, repeated, with a later serial, or without a key."""
    stranger = Maker(maker.folder, "stranger")
    now = trust(maker)
    with pytest.raises(BundleError, match="not by the key of maker"):
        now.replace_keys(statement(maker, stranger, 1, stranger))
    with pytest.raises(BundleError, match="statement about keys 2: expected the next one, 1"):
        now.replace_keys(statement(maker, maker, 2, stranger))
    first = statement(maker, maker, 1, maker)
    now.replace_keys(first)
    with pytest.raises(BundleError, match="statement about keys 1: expected the next one, 2"):
        now.replace_keys(first)
    check(maker, maker.signed(bundle_bytes(1)))


def test_other_keys_in_the_configuration_end_an_old_chain(maker: Maker) -> None:
    """A person at the trap decides."""
    other = Maker(maker.folder, "other")
    trust(maker).replace_keys(statement(maker, maker, 1, other))
    fresh = Maker(maker.folder, "fresh")
    assert bundle_from_bytes(fresh.signed(bundle_bytes(1)), trust(fresh).vouch)
    with pytest.raises(BundleError, match=r"not by the key of fresh\.pem"):
        bundle_from_bytes(other.signed(bundle_bytes(1)), trust(fresh).vouch)


def test_without_a_key_every_whole_bundle_is_taken(tmp_path: Path) -> None:
    """The default."""
    (tmp_path / "last-good.uncia").write_bytes(bundle_bytes(3))
    anybody = Trust(None, Releases(tmp_path / "releases.json", tmp_path / "last-good.uncia"))
    assert bundle_from_bytes(bundle_bytes(1), anybody.vouch)


def test_a_key_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    """Missing, invalid, or of another kind."""
    path = tmp_path / "k.pem"
    with pytest.raises(ConfigurationError, match=r"bundle_key .*No such file") as refused:
        TrustedKeys((path,), path)
    assert str(refused.value).count(str(path)) == 1
    path.write_text("hello")
    with pytest.raises(ConfigurationError, match="expected a PEM file"):
        TrustedKeys((path,), path)
    public = X25519PrivateKey.generate().public_key()
    path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ConfigurationError, match="expected an Ed25519 key, got X25519PublicKey"):
        TrustedKeys((path,), path)


def test_a_signing_key_that_is_none_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    (tmp_path / "a.uncia").write_bytes(bundle_bytes(1))
    (tmp_path / "k.key").write_text("hello")
    assert convert(["sign", str(tmp_path / "a.uncia"), "--key", str(tmp_path / "k.key")]) == 2
    assert "expected a PEM file with a private key" in capsys.readouterr().err


def test_a_signed_bundle_that_has_no_place_leaves_nothing_behind(
    maker: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder has its name: one line, and exit code 2."""
    (tmp_path / "a.uncia").write_bytes(bundle_bytes(2))
    (out := tmp_path / "signed").mkdir()
    before = sorted(tmp_path.iterdir())
    assert convert(["sign", str(tmp_path / "a.uncia"), "--key", str(maker.key), "--out", str(out)]) == 2
    assert ("cannot be written" in capsys.readouterr().err, sorted(tmp_path.iterdir())) == (True, before)
