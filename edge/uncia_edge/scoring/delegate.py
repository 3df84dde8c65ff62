"""An accelerator is tried in a child process before the trap trusts it: a mismatched libedgetpu crashes its process.

Decides whether a delegate may run the bundle: the child loads it, runs the bundle's probes and reports. Crash, timeout,
wrong scores or no device: the trap stays with the CPU, says so once, and names the reason in its state.
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
_CHILD_BYTES = 350 * 1024 * 1024  # of a unit's 600 MB: a model that asks for more ends the child, and not the trap


@dataclass(frozen=True)
class ChosenClassifier:
    """A proven classifier, and why it is not the accelerator that was asked for (None where it is, or none was).

    `single_thread_classifier` is what scores while other cores decode, where that is another one.
    """

    classifier: Classifier
    fallback: str | None = None
    single_thread_classifier: Classifier | None = None


def choose(path: Path, bundle: Bundle, threads: int, library: str, proved: bool = False) -> ChosenClassifier:
    """The bundle on the accelerator behind `library`, else on the CPU; its probes have been reproduced.

    Args:
        path: where the bundle lies, for the child.
        bundle: the same, read.
        threads: of the CPU kernels.
        library: a delegate such as `libedgetpu.so.1`; empty for the CPU.
        proved: the probes were reproduced on this very machine before, and are not run.

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
        _log.error("delegate %s is not used: %s; the CPU takes over", library, reason)
    classifier = Classifier(bundle, threads)
    single = load_single_thread_classifier(bundle, classifier)
    for one in () if proved else filter(None, (classifier, single)):
        one.check_probes()
    return ChosenClassifier(classifier, None if reason is None else f"delegate {library}: {reason}", single)


def accelerated_model(bundle: Bundle, library: str) -> str:
    """Which member an accelerator runs: on the Edge TPU the compiled one, on others the model itself.

    Raises:
        BundleError: there is no compiled one. The Edge TPU would leave the other to slow kernels of the CPU, unsaid.
    """
    if "edgetpu" not in Path(library).name:
        return MODEL
    if EDGETPU not in bundle.members:
        raise BundleError(f"the bundle has no {EDGETPU}; uncia-convert bundle --edgetpu adds it")
    return EDGETPU


def probe_in_child(path: Path, library: str, timeout_s: float = TIMEOUT_S) -> str | None:
    """Run the bundle's probes on a delegate (the CPU where empty) in a child process.

    The reason why they failed, in one line; None when they came out right.
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
    """The child: 0 when the probes come out right, else the reason on standard output."""
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
