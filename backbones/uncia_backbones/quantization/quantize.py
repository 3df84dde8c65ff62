"""Converts a Keras network to TFLite: a full-integer model for the trap, and the same graph in float to compare with.

Both models have one input `pixels` (1, height, width, 3), one output `features` (1, ...), one signature
`serving_default` with these names, and static shapes. In the integer model `pixels` is uint8 and `features` int8,
weights are quantized per channel, and no operator computes in float. Equal inputs give equal bytes on one machine and
one set of versions.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_backbones.flatbuffer import operator_name, pack, signature, type_name, unpack
from uncia_backbones.frameworks import frozen, keras, tf
from uncia_backbones.quantization.activation_ranges import least_loss_ranges, quantized
from uncia_backbones.quantization.bias_correction import bias_corrected
from uncia_backbones.quantization.gptq_rounding import gptq_rounded
from uncia_backbones.quantization.linear_equalization import linear_equalized
from uncia_backbones.quantization.relu_equalization import relu_equalized
from uncia_contract.errors import BundleError, DataError
from uncia_contract.model.stderr_filter import silenced_unless_error

Progress = Callable[[str, int, int], None]

INPUT_NAME, OUTPUT_NAME = "pixels", "features"
PREPARING, ROUNDING, CORRECTING = "finding ranges, steps", "rounding weights, pictures", "correcting biases, layers"
CORRECTED_EVERY = 8  # bias correction uses every eighth picture, because each is run once for every convolution
# QUANTIZE turns uint8 pixels into int8. A full-integer model has only these types.
INTEGER_TYPES = ("int8", "uint8", "int32")


def int8_model(
    network: keras.Model,
    layer: str,
    pictures: Iterable[NDArray[np.uint8]],
    progress: Progress = lambda step, done, total: None,
) -> bytes:
    """A full-integer TFLite model of the network up to one of its outputs, with all techniques of this folder.

    Args:
        network: maps float32 pixels (n, height, width, 3), 0 to 255, to outputs by name.
        layer: the output that becomes `features`.
        pictures: a few hundred pictures as the trap takes them, uint8 (1, height, width, 3) each; ranges come from
            them.
        progress: called with the name of a step, the number of its parts done, and the number of all.

    Raises:
        DataError: no pictures, or pictures of another shape or type.
        BundleError: an operator still computes in float.
    """
    chosen = _checked(pictures, network)
    floating = calibrated(network, layer, chosen)
    progress(PREPARING, 1, 3)
    floating = linear_equalized(relu_equalized(floating, chosen), chosen[::4])
    progress(PREPARING, 2, 3)
    model = quantized(floating, least_loss_ranges(floating, chosen[::2]))
    progress(PREPARING, 3, 3)
    model = gptq_rounded(model, floating, chosen, partial(progress, ROUNDING))
    model = bias_corrected(model, floating, chosen[::CORRECTED_EVERY], partial(progress, CORRECTING))
    model = _renamed(model)
    refuse_float(model)
    return model


def calibrated(network: keras.Model, layer: str, chosen: Sequence[NDArray[np.uint8]]) -> bytes:
    """A float TFLite model of the network, in which each activation has its measured range."""
    converter = _converter(network, layer)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([picture.astype(np.float32)] for picture in chosen)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter._experimental_calibrate_only = True
    with silenced_unless_error():
        model: bytes = converter.convert()
    return model


def converted_int8(network: keras.Model, layer: str, pictures: Iterable[NDArray[np.uint8]]) -> bytes:
    """The integer model of TensorFlow's converter, without this folder's techniques; arguments as for `int8_model`."""
    chosen = _checked(pictures, network)
    converter = _converter(network, layer)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([picture.astype(np.float32)] for picture in chosen)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.int8
    model = _converted(converter)
    refuse_float(model)
    return model


def float_model(network: keras.Model, layer: str) -> bytes:
    """A float32 TFLite model of the network up to one of its outputs, with which the integer model is compared."""
    return _converted(_converter(network, layer))


def float_tensors(model: bytes) -> list[str]:
    """A text `OPERATOR: tensor (type)` for each input or output of an operator that is not an integer."""
    unpacked = unpack(model)
    found = []
    for graph in unpacked.subgraphs:
        for operator in graph.operators:
            used = [graph.tensors[index] for index in (*operator.inputs, *operator.outputs) if index >= 0]
            name = operator_name(unpacked, operator)
            found += [
                f"{name}: {tensor.name.decode()} ({type_name(tensor)})"
                for tensor in used
                if type_name(tensor) not in INTEGER_TYPES
            ]
    return found


def refuse_float(model: bytes) -> None:
    """Check that all operators compute in integers.

    Raises:
        BundleError: some do not; the message names the first three.
    """
    found = float_tensors(model)
    if found:
        raise BundleError(f"not full-integer: {'; '.join(found[:3])}; expected {', '.join(INTEGER_TYPES)} only")


def _checked(pictures: Iterable[NDArray[np.uint8]], network: keras.Model) -> Sequence[NDArray[np.uint8]]:
    chosen = list(pictures)
    expected = (1, *network.input_shape[1:])
    if not chosen:
        raise DataError("no calibration pictures; expected about 200 like those that the trap will take")
    for picture in chosen:
        if picture.shape != expected or picture.dtype != np.uint8:
            raise DataError(f"calibration picture {picture.dtype} {picture.shape}, expected uint8 {expected}")
    return chosen


def _converter(network: keras.Model, layer: str) -> Any:
    with silenced_unless_error():
        chosen = keras.Model(network.inputs, network.output[layer], name="backbone")
        signature = [tf.TensorSpec((1, *network.input_shape[1:]), tf.float32, name=INPUT_NAME)]

        @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
        def serve(pixels: Any) -> Any:
            return chosen(pixels, training=False)

        return tf.lite.TFLiteConverter.from_concrete_functions([frozen(serve.get_concrete_function())])


def _converted(converter: Any) -> bytes:
    with silenced_unless_error():
        return _renamed(converter.convert())


def _renamed(model: bytes) -> bytes:
    """The model with the names `pixels` and `features`, without the converter's metadata, which depend on the time."""
    unpacked = unpack(model)
    graph = unpacked.subgraphs[0]
    graph.tensors[graph.inputs[0]].name = INPUT_NAME
    graph.tensors[graph.outputs[0]].name = OUTPUT_NAME
    unpacked.signatureDefs = [signature({INPUT_NAME: graph.inputs[0]}, {OUTPUT_NAME: graph.outputs[0]})]
    unpacked.metadata = []
    unpacked.description = b"uncia backbone"
    return pack(unpacked)
