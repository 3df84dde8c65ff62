"""An accelerator that crashes, hangs, scores wrongly or is absent: the trap uses the CPU and says so once."""

import ctypes
import dataclasses
import logging
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.model.manifest import EDGETPU, MODEL, PROBES
from uncia_contract.model.probes import probes_from_bytes
from uncia_edge.scoring import delegate
from uncia_edge.scoring.delegate import accelerated_model, choose, probe_in_child

STARTER = Path(__file__).parents[3] / "models" / "snow-leopard-starter-2.uncia"
# The functions that a delegate's library exports; `create` is what the stub does when it is loaded.
STUB = """
#include <stdlib.h>
#include <unistd.h>
void *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {{
    {create}
}}
void tflite_plugin_destroy_delegate(void *delegate) {{}}
"""
CRASHES, HANGS = "abort();", "for (;;) sleep(1);"
NO_DEVICE = 'report("no device found"); return 0;'


@pytest.fixture
def stub(tmp_path: Path) -> Callable[[str], str]:
    """Compile a delegate's library that runs the given C code when it is loaded."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("NO C COMPILER: the delegate stubs were not built and nothing of them was tested")

    def build(create: str) -> str:
        (tmp_path / "stub.c").write_text(STUB.format(create=create))
        library = tmp_path / "libstub.so.1"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "stub.c"], check=True)
        ctypes.CDLL(str(library))  # the library can be loaded, so a failure below is the delegate's
        return str(library)

    return build


@pytest.mark.parametrize(
    ("create", "timeout_s", "reason"),
    [(CRASHES, 60, "ended by signal 6"), (HANGS, 2, "no answer within 2 s"), (NO_DEVICE, 60, "no device found")],
    ids=["crash", "hang", "no-device"],
)
def test_a_failing_delegate_gives_its_reason(
    stub: Callable[[str], str], create: str, timeout_s: float, reason: str
) -> None:
    """In one line, and the trap's own process goes on."""
    told = str(probe_in_child(STARTER, stub(create), timeout_s))
    assert (reason in told, "\n" in told) == (True, False)


def test_an_absent_library_gives_its_reason() -> None:
    """As on a trap without a Coral."""
    assert "libnothing.so.1: cannot be loaded" in str(probe_in_child(STARTER, "libnothing.so.1"))


def test_a_bundle_without_a_model_for_the_edge_tpu_stays_on_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    """The Edge TPU runs only compiled models; any other would run on slow CPU kernels."""
    with caplog.at_level(logging.ERROR):
        chosen = choose(STARTER, read_bundle(STARTER), 1, "libedgetpu.so.1")
    reason = "the bundle has no model_edgetpu.tflite; uncia-convert bundle --edgetpu adds it"
    assert (reason in caplog.text, reason in str(chosen.fallback)) == (True, True)
    assert chosen.classifier.info.delegate == "XNNPACK"


@pytest.mark.parametrize(
    ("library", "member"), [("/usr/lib/libedgetpu.so.1", EDGETPU), ("libarmnnDelegate.so", MODEL)], ids=["tpu", "other"]
)
def test_the_compiled_model_is_for_the_edge_tpu_alone(library: str, member: str) -> None:
    """Other accelerators do not have its operator."""
    starter = read_bundle(STARTER)
    compiled = dataclasses.replace(starter, members={**starter.members, EDGETPU: b""})
    assert accelerated_model(compiled, library) == member


def test_the_cpu_scores_instead_and_that_is_logged_once(
    stub: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    """In the log, and as the reason in the state message."""
    with caplog.at_level(logging.ERROR):
        chosen = choose(STARTER, read_bundle(STARTER), 1, stub(CRASHES))
    told = [record for record in caplog.records if "the CPU scores" in record.getMessage()]
    assert (len(told), chosen.classifier.info.delegate, "signal 6" in str(chosen.fallback)) == (1, "XNNPACK", True)


def test_wrong_scores_in_the_child_are_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The child runs a stand-in for an accelerator that returns only zeros; the probes find that."""
    (tmp_path / "wrong.py").write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from uncia_contract.model import interpreter\n"
        "from uncia_edge.scoring import delegate\n"
        "run = interpreter.Interpreter.run\n"
        "interpreter.Interpreter.run = lambda self, *given: [part * 0.0 for part in run(self, *given)]\n"
        "delegate.load_delegate = lambda library: None\n"
        "sys.exit(delegate._try(Path(sys.argv[1]), sys.argv[2]))\n"
    )
    run = subprocess.run

    def in_stand_in(command: list[str], **options: Any) -> Any:
        return run([command[0], str(tmp_path / "wrong.py"), *command[-2:]], **options)

    monkeypatch.setattr(delegate.subprocess, "run", in_stand_in)
    assert "its probes differ by" in str(probe_in_child(STARTER, "libwrong.so.1"))


@pytest.fixture
def accelerator(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Any]:
    """Make a stand-in that passes its test, scores a number of pictures, and then fails."""

    def plug(pictures: int) -> Any:
        run, left, own = Interpreter.run, [pictures], []
        probes = len(probes_from_bytes(read_bundle(STARTER).members[PROBES]).inputs)

        def running(self: Interpreter, *given: Any) -> Any:
            own.extend([self][len(own) :])  # the first that runs is the accelerator's
            if self is own[0]:
                left[0] -= 1
                if left[0] + probes < 0:
                    raise RuntimeError("Node number 3 (EdgeTpuDelegateForCustomOp) failed to invoke.")
            return run(self, *given)

        monkeypatch.setattr(delegate, "probe_in_child", lambda *given: None)
        monkeypatch.setattr(delegate, "load_delegate", lambda library: None)
        monkeypatch.setattr(Interpreter, "run", running)
        return choose(STARTER, read_bundle(STARTER), 1, "libaccelerator.so.1")

    return plug


def test_the_cpu_goes_on_after_an_accelerator_is_unplugged(
    accelerator: Callable[[int], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of a burst: no picture is lost, the scores are the CPU's, and it is logged once."""
    picture = np.random.default_rng(6).integers(0, 256, (260, 260, 3), dtype=np.uint8)
    chosen = accelerator(2)
    with caplog.at_level(logging.ERROR):
        scores = [chosen.classifier.score(picture) for _ in range(5)]
    told = [record for record in caplog.records if "the CPU scores" in record.getMessage()]
    assert (len(set(scores)), len(told), "failed to invoke" in str(chosen.classifier.problem)) == (1, 1, True)


def test_a_working_accelerator_has_no_problem(accelerator: Callable[[int], Any]) -> None:
    """Neither a reason for the CPU nor a problem."""
    chosen = accelerator(9)
    chosen.classifier.score(np.zeros((260, 260, 3), np.uint8))
    assert (chosen.fallback, chosen.classifier.problem) == (None, None)


def test_an_accelerator_that_fails_after_its_test_gives_the_reason(accelerator: Callable[[int], Any]) -> None:
    """It worked in the child and fails in the trap's own process: the CPU scores, and the state has the reason."""
    chosen = accelerator(-3)
    assert ("failed to invoke" in str(chosen.fallback), chosen.classifier.info.delegate) == (True, "XNNPACK")


def test_without_a_delegate_nothing_is_tried() -> None:
    """Then the CPU is not a fallback."""
    assert choose(STARTER, read_bundle(STARTER), 1, "").fallback is None


@pytest.mark.parametrize(("threads", "expected"), [(1, None), (2, 1)], ids=["one thread serves both", "two"])
def test_with_several_threads_a_single_thread_classifier_is_loaded_too(threads: int, expected: int | None) -> None:
    """It scores while other cores decode, and its probes are run too; only of light models (EfficientNet-Lite0)."""
    light = STARTER.with_name("rendered-demo-1.uncia")
    chosen = choose(light, read_bundle(light), threads, "")
    assert (chosen.single_thread_classifier and chosen.single_thread_classifier.info.threads) == expected
