"""The reader of PyTorch checkpoints reads tensors and refuses everything else."""

import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uncia_backbones.efficientnet_lite import LITE0, packaged_checkpoint
from uncia_backbones.weights import torch_checkpoint
from uncia_backbones.weights.torch_checkpoint import read_tensors
from uncia_contract.errors import DataError


class Named:
    """An object that is pickled as a global of any module, without importing that module."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Call:
    """An object that is pickled as a call of a global."""

    def __init__(self, function: Named, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments


class Reference:
    """An object that is pickled as a persistent id."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts


class Writer(pickle._Pickler):  # the Python one: it lets us write globals that are not importable
    """A pickler for files of `torch.save`, and for those of an attacker."""

    def persistent_id(self, obj: Any) -> Any:
        return obj.parts if isinstance(obj, Reference) else None

    def save(self, obj: Any, save_persistent_id: bool = True) -> Any:
        if isinstance(obj, Named):
            return self.write(f"c{obj.module}\n{obj.name}\n".encode())
        if isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.arguments)
            return self.write(pickle.REDUCE)
        return super().save(obj, save_persistent_id)


FLOATS = np.arange(12, dtype="<f4")


def tensor(shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0, count: int = 12) -> Call:
    """A tensor of the storage "s"."""
    storage = Reference("storage", Named("torch", "FloatStorage"), "s", "cpu", count, None)
    return Call(Named("torch._utils", "_rebuild_tensor_v2"), storage, offset, shape, strides, False, OrderedDict())


def checkpoint(path: Path, state: Any, values: bytes = FLOATS.tobytes(), protocol: int = 1001) -> Path:
    """A file in the format of torch before version 1.6."""
    with path.open("wb") as stream:
        for part in (torch_checkpoint.MAGIC, protocol, {"little_endian": True}, state, ["s"]):
            Writer(stream, 2).dump(part)
        stream.write(struct.pack("<q", len(values) // 4) + values)
    return path


def test_tensors_are_read_by_name(tmp_path: Path) -> None:
    """With offset, shape and strides; each array has its own memory."""
    state = OrderedDict(a=tensor((2, 3), (3, 1)), b=tensor((3, 2), (1, 3), offset=6))
    tensors = read_tensors(checkpoint(tmp_path / "w.pth", state))
    np.testing.assert_array_equal(tensors["a"], FLOATS[:6].reshape(2, 3))
    np.testing.assert_array_equal(tensors["b"], FLOATS[6:].reshape(2, 3).T)
    assert all(array.flags.owndata for array in tensors.values())


def test_the_packaged_checkpoint_is_read() -> None:
    """296 tensors, including the classifier of a thousand classes."""
    tensors = read_tensors(packaged_checkpoint(LITE0))
    assert (len(tensors), tensors["_fc.weight"].shape, tensors["_fc.weight"].dtype) == (296, (1000, 1280), np.float32)


@pytest.mark.parametrize(
    "function",
    [
        Named("os", "system"),
        Named("builtins", "eval"),
        Named("collections", "defaultdict"),
        Named("torch", "load"),
        Named("torch._utils", "_rebuild_parameter"),
        Named("uncia_backbones.weights.torch_checkpoint", "os.system"),
    ],
    ids=["os.system", "eval", "another container", "torch.load", "another rebuild", "dotted"],
)
def test_a_malicious_pickle_is_refused_by_name_and_not_run(tmp_path: Path, function: Named) -> None:
    """#1: the message has the name, which is never called."""
    marker = tmp_path / "ran"
    path = checkpoint(tmp_path / "w.pth", OrderedDict(a=Call(function, f"touch {marker}")))
    with pytest.raises(DataError, match=f"names {function.module}.{function.name}"):
        read_tensors(path)
    assert not marker.exists()


def test_the_same_pickle_runs_in_pickle(tmp_path: Path) -> None:
    """So the attack of the test above is real."""
    marker, path = tmp_path / "ran", tmp_path / "bare.pickle"
    with path.open("wb") as stream:
        Writer(stream, 2).dump(Call(Named(os.system.__module__, "system"), f"touch {marker}"))
    pickle.loads(path.read_bytes())
    assert marker.exists()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (OrderedDict(a=tensor((4, 4), (4, 1))), "reaches outside its storage"),
        (OrderedDict(a=tensor((2, 3), (3, 1), offset=7)), "reaches outside its storage"),
        (OrderedDict(a=tensor((2,), (1,), offset=-1)), "reaches outside its storage"),
        (OrderedDict(a=tensor((1 << 20, 1 << 20), (0, 0))), "reaches outside its storage"),
        (OrderedDict(a=tensor((2,), (1,), count=13)), "holds 12 values, expected 13"),
        (OrderedDict(a=[1, 2]), "expected a mapping of names to tensors"),
        ([1, 2], "expected a mapping of names to tensors"),
        (OrderedDict(a=Reference("module", 1, 2, 3, 4, None)), "refers to 'module' outside itself"),
    ],
    ids=["too large", "offset", "negative offset", "memory bomb", "count", "list inside", "list", "module"],
)
def test_a_wrong_tensor_is_refused(tmp_path: Path, state: Any, message: str) -> None:
    """#2 and #3: tensors that reach outside of their storage or are larger than it, and other objects."""
    with pytest.raises(DataError, match=message):
        read_tensors(checkpoint(tmp_path / "w.pth", state))


def test_truncation_anywhere_is_a_data_error(tmp_path: Path) -> None:
    """#3: for example after an interrupted download."""
    whole = checkpoint(tmp_path / "w.pth", OrderedDict(a=tensor((2, 3), (3, 1)))).read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut.pth").write_bytes(whole[:length])
        with pytest.raises(DataError):
            read_tensors(tmp_path / "cut.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04rest", "zip format"),
        (b"", "damaged, or not a PyTorch checkpoint"),
        (b"\xff\xd8\xff\xe0 a JPEG", "damaged, or not a PyTorch checkpoint"),
        (pickle.dumps(7), "magic number is missing"),
    ],
    ids=["zip", "empty", "JPEG", "another pickle"],
)
def test_another_format_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    """#3: the message says what was found."""
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_tensors(path)


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    """The message has the path."""
    with pytest.raises(DataError, match="No such file"):
        read_tensors(tmp_path / "nothing.pth")
