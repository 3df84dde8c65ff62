"""A trap that was given a key takes nothing unsigned, tampered or older."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from support.bundles import bundle_bytes
from uncia_contract.errors import BundleError, ConfigurationError
from uncia_contract.model.bundle import bundle_from_bytes, write_bundle
from uncia_converter.cli import main as convert
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


def check(maker: Maker, content: bytes) -> None:
    Trust(maker.pem, maker.folder / "last-good.uncia").check(bundle_from_bytes(content))


def test_what_the_maker_signed_is_taken(maker: Maker) -> None:
    """And signing twice gives the same bytes."""
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
        (lambda maker: bundle_bytes(2), r"unsigned: expected a signature by the key of maker\.pem"),
        (lambda maker: Maker(maker.folder, "other").signed(bundle_bytes(2)), r"not by the key of maker\.pem"),
        (tampered, r"not by the key of maker\.pem"),
    ],
    ids=["unsigned", "by somebody else", "tampered"],
)
def test_what_the_maker_did_not_sign_is_refused(maker: Maker, made: Callable[[Maker], bytes], reason: str) -> None:
    """With what was expected."""
    with pytest.raises(BundleError, match=reason):
        check(maker, made(maker))


@pytest.mark.parametrize(("version", "name", "taken"), [(2, "told", False), (3, "told", True), (1, "else", True)])
def test_what_is_older_than_the_last_good_one_is_refused(maker: Maker, version: int, name: str, taken: bool) -> None:
    """A replayed bundle of long ago bears a good signature, too. Another name is another model."""
    (maker.folder / "last-good.uncia").write_bytes(bundle_bytes(3))
    signed = maker.signed(bundle_bytes(version, name=name))
    if taken:
        check(maker, signed)
        return
    with pytest.raises(BundleError, match="told 2 is older than 3"):
        check(maker, signed)


def test_without_a_key_every_whole_bundle_is_taken(tmp_path: Path) -> None:
    """The default."""
    (tmp_path / "last-good.uncia").write_bytes(bundle_bytes(3))
    Trust(None, tmp_path / "last-good.uncia").check(bundle_from_bytes(bundle_bytes(1)))


def test_a_key_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    """Missing, garbage, or of another kind."""
    path = tmp_path / "k.pem"
    with pytest.raises(ConfigurationError, match=r"bundle_key .*No such file"):
        Trust(path, path)
    path.write_text("hello")
    with pytest.raises(ConfigurationError, match="expected a PEM file"):
        Trust(path, path)
    public = X25519PrivateKey.generate().public_key()
    path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ConfigurationError, match="expected an Ed25519 key, got X25519PublicKey"):
        Trust(path, path)


def test_a_signing_key_that_is_none_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    (tmp_path / "a.uncia").write_bytes(bundle_bytes(1))
    (tmp_path / "k.key").write_text("hello")
    assert convert(["sign", str(tmp_path / "a.uncia"), "--key", str(tmp_path / "k.key")]) == 2
    assert "expected a PEM file with a private key" in capsys.readouterr().err


def test_a_signed_bundle_that_has_no_place_leaves_nothing_behind(
    maker: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder in its place: in one line, exit code 2."""
    (tmp_path / "a.uncia").write_bytes(bundle_bytes(2))
    (out := tmp_path / "signed").mkdir()
    before = sorted(tmp_path.iterdir())
    assert convert(["sign", str(tmp_path / "a.uncia"), "--key", str(maker.key), "--out", str(out)]) == 2
    assert ("cannot be written" in capsys.readouterr().err, sorted(tmp_path.iterdir())) == (True, before)
