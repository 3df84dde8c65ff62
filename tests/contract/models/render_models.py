"""Makes the tiny models beside it (seeded, a kilobyte or three each) with TensorFlow. Run it by hand."""

from pathlib import Path

import numpy as np
import tensorflow as tf

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


def main() -> None:
    """Writes tiny.tflite, float.tflite and dynamic.tflite."""
    (HERE / "tiny.tflite").write_bytes(converted(1, True))
    (HERE / "float.tflite").write_bytes(converted(1, False))
    (HERE / "dynamic.tflite").write_bytes(converted(None, True))


if __name__ == "__main__":
    main()
