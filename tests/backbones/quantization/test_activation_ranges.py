"""Ranges with the least loss, and biases that correct shifted means."""

import numpy as np
import pytest
from tests.backbones.quantization.test_quantize import pictures, small_network

from uncia_backbones.quantization.activation_ranges import least_loss, least_loss_ranges, quantized
from uncia_backbones.quantization.bias_correction import bias_corrected
from uncia_backbones.quantization.quantize import calibrated, converted_int8, float_tensors
from uncia_contract.model.interpreter import Interpreter


def test_a_rare_extreme_is_clipped() -> None:
    """One value in a million does not make all steps coarse."""
    values = np.append(np.random.default_rng(1).normal(size=1_000_000), 12).astype(np.float32)
    low, high = least_loss(values)
    assert (low < -2, 4 < high < 10) == (True, True)


def test_evenly_spread_values_keep_their_range() -> None:
    """Clipping would only increase the loss."""
    assert least_loss(np.linspace(0, 6, 10_000, dtype=np.float32)) == pytest.approx((0, 6), rel=0.03)


def test_input_and_output_are_not_clipped() -> None:
    """Pixels and features keep their extremes."""
    floating = calibrated(small_network(), "pooled", pictures())
    plain, narrow = (
        Interpreter(quantized(floating, ranges), keep_all=True)
        for ranges in ({}, least_loss_ranges(floating, pictures()))
    )
    assert narrow.input == plain.input
    assert narrow.outputs[0].scale == plain.outputs[0].scale
    assert {tensor.scale for tensor in narrow.tensors} != {tensor.scale for tensor in plain.tensors}


def test_the_converters_parts_give_the_converters_answers() -> None:
    """With the extremes as ranges, the answers are those of the whole converter; nothing is in float."""
    floating = calibrated(small_network(), "pooled", pictures())
    parts, whole = quantized(floating, {}), converted_int8(small_network(), "pooled", pictures())
    assert float_tensors(parts) == []
    for picture in pictures():
        answers = [one.run(picture[0], one.outputs[:1])[0] for one in (Interpreter(parts), Interpreter(whole))]
        np.testing.assert_array_equal(*answers)


def test_a_shifted_mean_is_corrected() -> None:
    """A wrong bias of the integer model is changed until the mean is that of the float model."""
    floating = calibrated(small_network(), "pooled", pictures())
    plain = quantized(floating, {})
    corrected = bias_corrected(plain, floating, pictures())

    def means(model: bytes) -> np.ndarray:
        interpreter = Interpreter(model)
        rows = [interpreter.run(picture[0], interpreter.outputs[:1])[0] for picture in pictures()]
        return np.mean(rows, axis=0)

    network = small_network()
    expected = np.mean([network.predict_on_batch(one.astype(np.float32))["pooled"][0] for one in pictures()], axis=0)
    assert np.abs(means(corrected) - expected).mean() < np.abs(means(plain) - expected).mean()
