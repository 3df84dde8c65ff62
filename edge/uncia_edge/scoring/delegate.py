"""Decides whether an accelerator (a TFLite delegate) scores, after a test in a child process.

A mismatched libedgetpu crashes its process, so a child process loads the delegate, runs the bundle's probes and
reports. After a crash, a timeout, wrong scores or without a device the trap uses the CPU, logs that once, and gives
the reason in its state.
"""

import logging
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uncia_contract.errors import BundleError, RuntimeMissingError
from uncia_contract.model.bundle import Bundle, read_bundle
from uncia_contract.model.classifier import Classifier, load_single_thread_classifier
from uncia_contract.model.interpreter import load_delegate
from uncia_contract.model.manifest import EDGETPU, MODEL
from uncia_edge.scoring.edgetpu_fallback import AcceleratedClassifier

_log = logging.getLogger(__name__)

TIMEOUT_S = 60.0
_REFUSED = 3
_CHILD_BYTES = 350 * 1024 * 1024  # of the service's 600 MB: a larger model ends the child and not the trap


@dataclass(frozen=True)
class ChosenClassifier:
    """A classifier that reproduced the probes.

    `fallback` says why it is not the configured accelerator; None if it is, or if none is configured.
    `single_thread_classifier` scores while other cores decode, if that is another one.
    """

    classifier: Classifier
    fallback: str | None = None
    single_thread_classifier: Classifier | None = None


def choose(path: Path, bundle: Bundle, threads: int, library: str, proved: bool = False) -> ChosenClassifier:
    """Load the bundle on the accelerator behind `library`, or else on the CPU, and run its probes.

    Args:
        path: the bundle's file, for the child process.
        bundle: the bundle in that file.
        threads: for the CPU kernels.
        library: a delegate such as `libedgetpu.so.1`; empty for the CPU.
        proved: the probes were reproduced on this machine before, so they are not run.

    Raises:
        BundleError: not even the CPU reproduces the probes.
    """
    reason = probe_in_child(path, library) if library and not proved else None
    if library and reason is None:
        try:
            model = accelerated_model(bundle, library)
            return ChosenClassifier(AcceleratedClassifier(bundle, threads, load_delegate(library), model))
        except (BundleError, RuntimeMissingError, RuntimeError) as error:
            reason = str(error)
    if reason is not None:
        _log.error("delegate %s is not used: %s; the CPU scores instead", library, reason)
    classifier = Classifier(bundle, threads)
    single = load_single_thread_classifier(bundle, classifier)
    for one in () if proved else filter(None, (classifier, single)):
        one.check_probes()
    return ChosenClassifier(classifier, None if reason is None else f"delegate {library}: {reason}", single)


def accelerated_model(bundle: Bundle, library: str) -> str:
    """The bundle's member that an accelerator runs: the compiled model on the Edge TPU, else the model itself.

    Raises:
        BundleError: the bundle has no compiled model. Any other model would run on slow CPU kernels without a warning.
    """
    if "edgetpu" not in Path(library).name:
        return MODEL
    if EDGETPU not in bundle.members:
        raise BundleError(f"the bundle has no {EDGETPU}; uncia-convert bundle --edgetpu adds it")
    return EDGETPU


def probe_in_child(path: Path, library: str, timeout_s: float = TIMEOUT_S) -> str | None:
    """Run the bundle's probes on a delegate (the CPU if `library` is empty) in a child process.

    Returns:
        None if the scores are right, else the reason in one line.
    """
    command = [sys.executable, "-m", __name__, str(path), library]
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {timeout_s:g} s"
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"its process was ended by signal {-done.returncode}"
    if done.returncode == _REFUSED:
        return " ".join(done.stdout.split())[:200]
    output = done.stderr.strip().splitlines() or ["it said nothing"]
    return f"its process left with {done.returncode}: {output[-1][:200]}"


def _try(path: Path, library: str) -> int:
    """The child process: return 0 if the probes' scores are right, else print the reason."""
    resource.setrlimit(resource.RLIMIT_DATA, (_CHILD_BYTES, _CHILD_BYTES))
    try:
        bundle = read_bundle(path)
        model = accelerated_model(bundle, library)
        delegate: Any = load_delegate(library) if library else None
        Classifier(bundle, 1, delegate, model).check_probes()
    except (BundleError, RuntimeMissingError, RuntimeError, MemoryError) as error:
        print(error or f"it needs more than {_CHILD_BYTES} bytes of memory")
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(_try(Path(sys.argv[1]), sys.argv[2]))
