"""ResNet-50 v2 gives the same features as an independent implementation, after stage 2 and stage 3."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from uncia_backbones.flatbuffer import operator_name, unpack
from uncia_backbones.quantization.quantize import float_model
from uncia_backbones.registry import backbone
from uncia_backbones.weights.onnx_checkpoint import read_initialisers
from uncia_contract.errors import DataError

ROW = backbone("resnet50v2")


@pytest.mark.parametrize("cut", ["stage2", "stage3"])
def test_features_after_a_stage_agree_with_the_reference(shared: Path, cut: str) -> None:
    """Four pictures with real ImageNet weights, within 1e-3 (measured: 5e-7)."""
    golden = np.load(shared / "golden/resnet50v2_stage3.npz")
    network = ROW.load(str(shared / "golden/resnet50v2_stage3_weights.npz"), cut)
    np.testing.assert_allclose(network.features(golden["images"]), golden[f"{cut}_pooled"], atol=1e-3)


def test_the_map_agrees_with_the_reference(shared: Path) -> None:
    """14x14x1024 of the first picture."""
    golden = np.load(shared / "golden/resnet50v2_stage3.npz")
    network = ROW.load(str(shared / "golden/resnet50v2_stage3_weights.npz"), "stage3")
    np.testing.assert_allclose(network.features(golden["images"][:1], "map")[0], golden["stage3_map_first"], atol=1e-3)


def test_no_batch_norm_becomes_a_multiplication_with_one_scale() -> None:
    """A batch norm that no convolution can include is a depthwise convolution of 1x1."""
    model = unpack(float_model(ROW.load("random:2", "stage2").model, "pooled"))
    kinds = Counter(operator_name(model, one) for one in model.subgraphs[0].operators)
    assert (kinds["MUL"], kinds["DEPTHWISE_CONV_2D"]) == (0, 8)


def test_weights_up_to_stage_3_are_refused_for_the_whole_network(shared: Path) -> None:
    """The message names the missing tensor."""
    with pytest.raises(DataError, match="lacks stage4_conv0_weight"):
        ROW.load(str(shared / "golden/resnet50v2_stage3_weights.npz"))


def test_the_whole_network_has_2048_features() -> None:
    """With seeded weights."""
    network = ROW.load("random:2")
    assert (network.count("pooled"), network.count("map")) == (2048, 7 * 7 * 2048)


@pytest.mark.parametrize(
    ("weights", "cut", "message"),
    [
        (None, "stage3", "give --weights resnet50-v2-7.onnx"),
        ("/nowhere.npz", "stage3", "cannot be read"),
        ("/nowhere.onnx", None, "cannot be read"),
        ("random:1", "stage1", "no cut 'stage1'; expected stage2 or stage3"),
    ],
    ids=["no weights", "no npz", "no onnx", "no cut"],
)
def test_a_missing_weight_says_how_to_get_it(weights: str | None, cut: str | None, message: str) -> None:
    """Before a network is built."""
    with pytest.raises(DataError, match=message):
        ROW.load(weights, cut)


def test_a_file_that_is_not_an_npz_is_refused(tmp_path: Path) -> None:
    """A pickle, too."""
    path = tmp_path / "w.npz"
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    for content in (b"", b"PK\x03\x04 cut off", (tmp_path / "pickled.npy").read_bytes()):
        path.write_bytes(content)
        with pytest.raises(DataError, match="npz of tensors"):
            ROW.load(str(path), "stage2")


def test_onnx_and_npz_give_the_same_network(shared: Path, tmp_path: Path) -> None:
    """Names lose the prefix of the file; nothing else differs."""
    arrays = dict(np.load(shared / "golden/resnet50v2_stage3_weights.npz"))
    (tmp_path / "w.onnx").write_bytes(onnx({f"resnetv24_{name}": array for name, array in arrays.items()}))
    picture = np.random.default_rng(3).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    one = ROW.load(str(shared / "golden/resnet50v2_stage3_weights.npz"), "stage2").features(picture)
    np.testing.assert_array_equal(ROW.load(str(tmp_path / "w.onnx"), "stage2").features(picture), one)


def varint(number: int) -> bytes:
    """A varint: seven bits a byte, the lowest first."""
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def onnx(arrays: dict[str, np.ndarray], packed: bool = False) -> bytes:
    """A model with these initialisers and other fields, which a reader must skip."""
    tensors = []
    for number, (name, array) in enumerate(arrays.items()):
        dims = b"".join(varint(side) if packed else b"\x08" + varint(side) for side in array.shape)
        values = field(4 if number % 2 else 9, array.astype("<f4").tobytes())
        tensor = (field(1, dims) if packed else dims) + b"\x10\x01" + field(8, name.encode()) + values
        tensors.append(field(5, tensor))
    shape = field(5, b"\x08\x02\x10\x07" + field(8, b"shape") + field(9, bytes(16)))
    return b"\x08\x07" + b"\x4d1234" + field(7, field(1, b"a node") + shape + b"".join(tensors)) + field(8, b"opset")


@pytest.mark.parametrize("packed", [False, True], ids=["dims one by one", "dims packed"])
def test_initialisers_are_read(tmp_path: Path, packed: bool) -> None:
    """Raw and typed floats; integers (a Reshape's shape) are left out."""
    arrays = {"a": np.arange(300, dtype=np.float32).reshape(150, 2), "b": np.ones(3, np.float32)}
    (tmp_path / "w.onnx").write_bytes(onnx(arrays, packed))
    found = read_initialisers(tmp_path / "w.onnx")
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


def test_a_truncated_onnx_is_refused(tmp_path: Path) -> None:
    """Cut at any place before the last field, which is not a weight."""
    whole = onnx({"a": np.ones((2, 2), np.float32)})
    for length in range(len(whole) - len(field(8, b"opset"))):
        (tmp_path / "w.onnx").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"download it again|holds no weights"):
            read_initialisers(tmp_path / "w.onnx")


def test_tensors_outside_the_file_are_refused(tmp_path: Path) -> None:
    """External data: the tensor is listed, but its values are in another file."""
    tensor = b"\x08\x02\x10\x01" + field(8, b"a")
    (tmp_path / "w.onnx").write_bytes(field(7, field(5, tensor)))
    with pytest.raises(DataError, match="holds 0 bytes, expected 8"):
        read_initialisers(tmp_path / "w.onnx")
