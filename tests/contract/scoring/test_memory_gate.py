"""`MemoryGate`: pictures that are decoded at the same time fit in a fixed amount of memory."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BrokenBarrierError

import pytest

from uncia_contract.scoring.burst_decoder import MemoryGate


@pytest.mark.parametrize(
    ("largest", "most"), [((), 2), ((20,), 5), ((20, 40, 30), 2), ((500,), 1)], ids=["none", "one", "most", "huge"]
)
def test_the_largest_picture_decides_how_many_are_decoded_together(largest: tuple[int, ...], most: int) -> None:
    """Two while no size is known; at least one."""
    gate = MemoryGate(100)
    for size in largest:
        gate.record_size(size)
    assert gate.most == most


@pytest.mark.parametrize(("together", "met"), [(2, True), (3, False)], ids=["two meet", "three never"])
def test_no_more_are_decoded_together_than_there_is_memory_for(together: int, met: bool) -> None:
    """Two threads can be inside at the same time, three cannot."""
    gate, barrier = MemoryGate(100), Barrier(together)
    gate.record_size(50)

    def decode(_: int) -> bool:
        with gate.turn():
            try:
                barrier.wait(0.2 if not met else 20)
            except BrokenBarrierError:
                return False
            return True

    with ThreadPoolExecutor(together) as pool:
        assert list(pool.map(decode, range(together))) == [met] * together


def test_a_turn_ends_when_decoding_fails() -> None:
    """Otherwise a few broken files would stop the trap."""
    gate = MemoryGate(1)
    gate.record_size(1)
    for _ in range(3):
        with pytest.raises(OSError, match="broken"), gate.turn():
            raise OSError("broken")
    with gate.turn():
        assert gate.most == 1
