"""Keras and TensorFlow, imported without their chatter.

Import them from here, so that a command's first line on the terminal is its own.
"""

from uncia_contract.model.stderr_filter import silenced_unless_error

with silenced_unless_error():
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2 as frozen

    # Quantization is the CPU's work. Looking for other devices happens once, at the first use, and can be loud.
    tf.config.set_visible_devices([], "GPU")
    tf.constant(0)

__all__ = ["frozen", "keras", "tf"]
