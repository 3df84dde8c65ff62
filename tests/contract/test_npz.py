"""Arrays survive writing and reading; damaged bytes are refused with the file's name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uncia_contract.errors import BundleError
from uncia_contract.npz import read_arrays, write_arrays

ARRAYS = {"weights": np.arange(12, dtype=np.float32).reshape(3, 4), "bias": np.zeros(2, np.float32)}
STORED, DEFLATED = write_arrays(ARRAYS), write_arrays(ARRAYS, compress=True)


@pytest.mark.parametrize("data", [STORED, DEFLATED], ids=["stored", "deflated"])
def test_arrays_survive_their_file(data: bytes) -> None:
    """Names, values and dtypes."""
    back = read_arrays(data, "a.npz")
    assert {name: (array.dtype, array.tolist()) for name, array in back.items()} == {
        name: (array.dtype, array.tolist()) for name, array in ARRAYS.items()
    }


@pytest.mark.parametrize("data", [STORED, DEFLATED], ids=["stored", "deflated"])
@settings(max_examples=300, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_bytes_are_refused_with_the_files_name(data: bytes, changes: list[tuple[int, int]]) -> None:
    """A change that does no harm may pass, but no other error is raised."""
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    try:
        read_arrays(bytes(damaged), "a.npz")
    except BundleError as error:
        assert str(error).startswith("a.npz: ")


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"(3, 4)", b"(3, 4 "), (b"(3, 4), }        ", b"(30000000, 90000)")],
    ids=["a header that does not end", "more memory than any machine has"],
)
def test_a_false_header_is_refused(old: bytes, new: bytes) -> None:
    """Numpy's own errors are turned into a BundleError."""
    assert STORED.count(old) == 1
    with pytest.raises(BundleError, match=r"a\.npz: not a file of arrays"):
        read_arrays(STORED.replace(old, new), "a.npz")
