"""The command `uncia-convert`: reads arguments, prints, exits."""

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC
from pathlib import Path

from uncia_backbones.quantization.calibration import PICTURES
from uncia_backbones.registry import BACKBONES, LAYERS
from uncia_contract.cli.arguments import ZONE_HELP, share, whole, zone
from uncia_contract.cli.command_line import program, run_command
from uncia_contract.errors import BundleError, DataError
from uncia_contract.messages.records import KeyStatement
from uncia_contract.pictures.picture_files import LeftOut
from uncia_contract.runs.run_folder import run_of
from uncia_converter.backbone import BackboneRequest, make_backbone

EXAMPLES = """examples:
  uncia-convert backbone --backbone efficientnet-lite0 --calibration labels.csv --out runs/backbone
  uncia-convert bundle runs/head --out my-leopards-1.uncia
  uncia-convert sign my-leopards-1.uncia --key maker.key
  uncia-convert edgetpu runs/backbone/backbone.tflite
"""
BACKBONE_EXAMPLE = """example:
  uncia-convert backbone --backbone efficientnet-lite0 --calibration labels.csv --out runs/backbone

writes backbone.tflite (full integer, uint8 in), float.tflite (the same graph in float) and backbone.json"""
BUNDLE_EXAMPLE = """example:
  uncia-convert bundle runs/head --out my-leopards-1.uncia
  uncia-convert bundle runs/compare --system uncia --out my-leopards-1.uncia
  uncia-convert bundle runs/head --out my-leopards-2.uncia --threshold 0.7 --threshold-reason 'two alarms a day'
  uncia-convert bundle runs/later --network-of my-leopards-1.uncia --bundle-version 2 --out my-leopards-2.uncia"""
SIGN_EXAMPLE = """example:
  openssl genpkey -algorithm ed25519 -out maker.key && openssl pkey -in maker.key -pubout -out maker.pem
  uncia-convert sign my-leopards-1.uncia --key maker.key

a trap with `bundle_key = "maker.pem"` in its trap.toml then refuses bundles that are unsigned, changed or older"""
KEYS_EXAMPLE = """example:
  uncia-convert keys --key maker.key --serial 1 --active new.pem --spare spare.pem --out traps.keys
  uncia-collect ask ridge-01 replace-keys traps.keys --config collector.toml

the traps then trust the two new keys instead of those in trap.toml; the next statement needs serial 2"""
EDGETPU_EXAMPLE = """example:
  uncia-convert edgetpu runs/backbone/backbone.tflite

exit code 1 if anything is listed; `uncia-convert bundle --edgetpu` also runs Coral's compiler"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0: done; 1: a model that fails its check, or folders that cannot be read; 2: a mistake in input or environment.
    """
    return run_command(_parser(), argv)


def _parser() -> argparse.ArgumentParser:
    parser, add = program(
        "uncia-convert", "Makes bundles for the trap from pretrained networks and training runs.", EXAMPLES
    )
    _add_backbone(add)
    _add_bundle(add)
    _add_sign(add)
    _add_keys(add)
    _add_edgetpu(add)
    return parser


def _add_backbone(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "backbone",
        "quantize a pretrained network",
        BACKBONE_EXAMPLE,
        "Quantizes a pretrained network to integers, calibrated with your pictures.",
    )
    command.add_argument("--backbone", required=True, choices=list(BACKBONES), help="the network")
    command.add_argument(
        "--calibration",
        required=True,
        type=Path,
        metavar="PATH",
        help="CSV, folder per label, COCO Camera Traps or Camtrap DP; rows of splits `test` and `tune` are left out",
    )
    command.add_argument(
        "--pictures", type=whole(1), default=PICTURES, metavar="N", help="number of pictures to use (%(default)s)"
    )
    command.add_argument("--utc-offset", type=zone, default=UTC, metavar="ZONE", help=ZONE_HELP)
    command.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write")
    command.add_argument("--weights", metavar="W", help="a file of weights, or random:SEED; default: the network's own")
    command.add_argument("--cut", help="end the network after this stage, such as stage3, if it has this cut")
    command.add_argument("--layer", default=LAYERS[0], choices=LAYERS, help="the features (default: %(default)s)")
    command.set_defaults(run=_backbone)


def _backbone(arguments: argparse.Namespace) -> int:
    request = BackboneRequest(
        backbone=arguments.backbone,
        calibration=arguments.calibration,
        out=arguments.out,
        layer=arguments.layer,
        cut=arguments.cut,
        weights=arguments.weights,
        pictures=arguments.pictures,
        zone=arguments.utc_offset,
    )
    description, summed = make_backbone(request, _print, _counter())
    size = (request.out / "backbone.tflite").stat().st_size
    _print(f"{request.out}: {description['features']} features, {size / 1e6:.1f} MB")
    for line in summed.lines():
        _print(line)
    return 1 if summed.left_out.get(LeftOut.UNREADABLE_FOLDER) else 0


def _add_bundle(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "bundle",
        "pack a training run into the file that a trap accepts",
        BUNDLE_EXAMPLE,
        "Makes a bundle of a training run (model with head, probes, manifest) and checks it before it is written.",
    )
    command.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="folder of uncia-train fit or compare")
    command.add_argument("--system", metavar="NAME", help="the system's name, if RUN_DIR is of uncia-train compare")
    command.add_argument("--out", required=True, type=Path, metavar="FILE", help="the bundle, such as mine-1.uncia")
    command.add_argument(
        "--bundle-version", type=whole(1), default=1, metavar="N", help="higher than that of the bundle before (1)"
    )
    command.add_argument("--licence", default="not stated; see sources", help="the bundle's licence")
    command.add_argument(
        "--edgetpu", action="store_true", help="add a model for the Edge TPU (needs edgetpu_compiler on the PATH)"
    )
    command.add_argument(
        "--threshold", type=share, metavar="T", help="replaces the run's threshold (see evaluate's table)"
    )
    command.add_argument(
        "--network-of",
        type=Path,
        metavar="BUNDLE",
        help="keep this bundle's network; traps that have it need only the new head",
    )
    command.add_argument(
        "--threshold-reason",
        default="",
        metavar="TEXT",
        help="why the threshold was replaced, for the manifest's notes",
    )
    command.add_argument(
        "--second-look",
        action=argparse.BooleanOptionalAction,
        help="score frames in doubt again; needs schema uncia.bundle/2, which traps of release 0.1 refuse "
        "(default: yes, if the run has regions and its backbone pools a map)",
    )
    command.set_defaults(run=_bundle)


def _bundle(arguments: argparse.Namespace) -> int:
    from uncia_converter.bundling import PARITY, BundleRequest, created_from_environment, make_bundle
    from uncia_converter.parity import ParityError

    if arguments.network_of and (arguments.edgetpu or arguments.second_look is not None):
        raise DataError("--network-of keeps the network unchanged: leave out --edgetpu and --second-look")
    if arguments.threshold_reason and arguments.threshold is None:
        raise DataError("--threshold-reason without --threshold: give the threshold too")
    request = BundleRequest(
        run=run_of(arguments.run_dir, arguments.system) if arguments.system else arguments.run_dir,
        out=arguments.out,
        version=arguments.bundle_version,
        licence=arguments.licence,
        created_at=created_from_environment(),
        edgetpu=arguments.edgetpu,
        threshold=arguments.threshold,
        threshold_reason=arguments.threshold_reason,
        network_of=arguments.network_of,
        second_look=arguments.second_look,
    )
    try:
        manifest = make_bundle(request, _counter(), _print)
    except ParityError as error:
        print(f"uncia-convert: {error}; the report: {request.run / PARITY}", file=sys.stderr)
        return 1
    size = arguments.out.stat().st_size
    _print(
        f"{arguments.out}: {manifest.name} version {manifest.version} ({manifest.schema}), {size / 1e6:.1f} MB, "
        f"probes checked, mean difference from float {manifest.parity['validation']['mean_difference']:.4f}"
    )
    return 0


def _add_sign(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "sign",
        "sign a bundle for traps that check signatures",
        SIGN_EXAMPLE,
        "Signs a bundle with an Ed25519 key (PEM).",
    )
    command.add_argument("bundle", type=Path, metavar="BUNDLE")
    command.add_argument("--key", required=True, type=Path, metavar="PEM", help="the private key, without a password")
    command.add_argument("--out", type=Path, metavar="FILE", help="the signed bundle (default: replace BUNDLE)")
    command.set_defaults(run=_sign)


def _sign(arguments: argparse.Namespace) -> int:
    from uncia_converter.signing import sign_bundle

    out = arguments.out or arguments.bundle
    sign_bundle(arguments.bundle, arguments.key, out)
    _print(f"{out}: signed")
    return 0


def _add_keys(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "keys",
        "replace the keys that traps trust",
        KEYS_EXAMPLE,
        "Writes a statement with the keys to trust from now on, signed by a key that the traps trust now.",
    )
    command.add_argument("--key", required=True, type=Path, metavar="PEM", help="the private key that signs")
    command.add_argument(
        "--serial", required=True, type=whole(1), metavar="N", help="one more than the last statement's"
    )
    command.add_argument("--active", required=True, type=Path, metavar="PEM", help="public key for signing bundles")
    command.add_argument("--spare", type=Path, metavar="PEM", help="public key of a spare that is kept in a safe")
    command.add_argument("--out", required=True, type=Path, metavar="FILE")
    command.set_defaults(run=_keys)


def _keys(arguments: argparse.Namespace) -> int:
    from uncia_converter.signing import public_key_text, sign_keys

    spare = public_key_text(arguments.spare) if arguments.spare else ""
    stated = KeyStatement(arguments.serial, public_key_text(arguments.active), spare)
    sign_keys(stated, arguments.key, arguments.out)
    _print(f"{arguments.out}: statement {arguments.serial}")
    return 0


def _add_edgetpu(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add(
        "edgetpu",
        "list what the Edge TPU does not support in a model",
        EDGETPU_EXAMPLE,
        "Reads a TFLite model and lists every operator and shape that the Edge TPU does not support.",
    )
    command.add_argument("model", type=Path, metavar="MODEL", help="a .tflite file")
    command.set_defaults(run=_edgetpu)


def _edgetpu(arguments: argparse.Namespace) -> int:
    from uncia_converter.edgetpu import objections

    try:
        found = objections(arguments.model.read_bytes())
    except BundleError as error:
        raise BundleError(f"{arguments.model}: {error}") from error
    except OSError as error:
        raise DataError(f"{arguments.model}: cannot be read ({error.strerror}); expected a .tflite file") from error
    for objection in found:
        _print(str(objection))
    _print(f"{arguments.model}: {len(found) or 'no'} objection{'s' * (len(found) != 1)}")
    return 1 if found else 0


def _counter() -> Callable[[str, int, int], None]:
    """A progress function that prints each step about ten times."""
    said: dict[str, int] = {}

    def count(step: str, done: int, total: int) -> None:
        if done * 10 // total != said.get(step, 0):
            said[step] = done * 10 // total
            _print(f"{step}: {done} of {total}")

    return count


def _print(line: str) -> None:
    print(f"uncia-convert: {line}", flush=True)
