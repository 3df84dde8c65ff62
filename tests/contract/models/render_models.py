"""Makes the tiny models beside it (seeded, a kilobyte or three each) with TensorFlow. Run it by hand."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from uncia_converter.graph import attach_head

HERE = Path(__file__).parent


def network(batch: int | None) -> tf.keras.Model:
    """8 x 8 pixels to two pooled features."""
    tf.keras.utils.set_random_seed(1)
    inputs = tf.keras.Input((8, 8, 3), batch_size=batch)
    hidden = tf.keras.layers.Conv2D(2, 3, activation="relu")(inputs / 255.0)
    return tf.keras.Model(inputs, tf.keras.layers.GlobalAveragePooling2D()(hidden))


def converted(batch: int | None, integers: bool) -> bytes:
    """Full integer with uint8 input, or float."""
    converter = tf.lite.TFLiteConverter.from_keras_model(network(batch))
    if integers:
        chance = np.random.default_rng(1)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [chance.uniform(0, 255, (1, 8, 8, 3)).astype(np.float32)] for _ in range(20)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type, converter.inference_output_type = tf.uint8, tf.int8
    return converter.convert()


def with_map(tiny: bytes) -> bytes:
    """The head of `conftest.py` attached, and the map before the mean as the second output."""
    weights = np.array([[0.0, 0.0], [4.0, 0.0]], np.float32)
    return attach_head(tiny, weights, np.zeros(2, np.float32), (-8.0, 8.0), with_map=True)


def main() -> None:
    """Writes tiny.tflite, float.tflite, dynamic.tflite, and map.tflite: tiny.tflite as a bundle with a map has it."""
    (HERE / "map.tflite").write_bytes(with_map((HERE / "tiny.tflite").read_bytes()))
    (HERE / "tiny.tflite").write_bytes(converted(1, True))
    (HERE / "float.tflite").write_bytes(converted(1, False))
    (HERE / "dynamic.tflite").write_bytes(converted(None, True))


if __name__ == "__main__":
    main()
