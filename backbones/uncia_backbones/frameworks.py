"""Keras and TensorFlow, imported without their chatter.

Import them from here, so that a command's first line on the terminal is its own.
"""

from uncia_backbones.silence import silenced

with silenced():
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2 as frozen

__all__ = ["frozen", "keras", "tf"]
