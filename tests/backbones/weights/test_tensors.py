"""Tensors by name and shape: those of another network are refused."""

import numpy as np
import pytest

from uncia_backbones.weights.tensors import CheckpointTensors
from uncia_contract.errors import DataError

ARRAYS = {"kernel": np.zeros((4, 3, 1, 1)), "broken": np.array([1.0, np.nan])}


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("head", (4,), "lacks head"),
        ("kernel", (4, 4, 1, 1), "has shape .4, 3, 1, 1., expected .4, 4, 1, 1."),
        ("broken", (2,), "NaN or infinite"),
    ],
    ids=["missing", "shape", "NaN"],
)
def test_a_foreign_or_damaged_tensor_is_named(name: str, shape: tuple[int, ...], message: str) -> None:
    """The message has the file, the tensor, and what was expected and found."""
    with pytest.raises(DataError, match=f"w.pth: .*{message}"):
        CheckpointTensors(ARRAYS, "w.pth").take(name, shape)
