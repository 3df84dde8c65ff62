"""Pictures that are decoded at the same time share a fixed room."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BrokenBarrierError

import pytest

from uncia_contract.scoring.decoding_room import DecodingRoom


@pytest.mark.parametrize(
    ("largest", "places"), [((), 2), ((20,), 5), ((20, 40, 30), 2), ((500,), 1)], ids=["none", "one", "most", "huge"]
)
def test_the_largest_picture_decides_how_many_are_decoded_together(largest: tuple[int, ...], places: int) -> None:
    """Two while none is known; always one."""
    room = DecodingRoom(100)
    for size in largest:
        room.took(size)
    assert room.places == places


@pytest.mark.parametrize(("together", "met"), [(2, True), (3, False)], ids=["two meet", "three never"])
def test_no_more_are_decoded_together_than_there_are_places(together: int, met: bool) -> None:
    """Threads meet inside only where there is a place for each."""
    room, barrier = DecodingRoom(100), Barrier(together)
    room.took(50)

    def decode(_: int) -> bool:
        with room.place():
            try:
                barrier.wait(0.2 if not met else 20)
            except BrokenBarrierError:
                return False
            return True

    with ThreadPoolExecutor(together) as pool:
        assert list(pool.map(decode, range(together))) == [met] * together


def test_a_place_is_given_up_when_decoding_fails() -> None:
    """Else a few broken files would stop the trap."""
    room = DecodingRoom(1)
    room.took(1)
    for _ in range(3):
        with pytest.raises(OSError, match="broken"), room.place():
            raise OSError("broken")
    with room.place():
        assert room.places == 1
