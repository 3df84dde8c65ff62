"""Imports Keras and TensorFlow without their messages.

Import them from here, so that nothing is printed before the first line of a command.
"""

from uncia_contract.model.stderr_filter import silenced_unless_error

with silenced_unless_error():
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2 as frozen

    # Quantization uses the CPU only. TensorFlow searches for devices at its first use and may print messages; do it
    # here.
    tf.config.set_visible_devices([], "GPU")
    tf.constant(0)

__all__ = ["frozen", "keras", "tf"]
