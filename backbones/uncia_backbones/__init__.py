"""Pretrained networks, built in Keras and quantized for the trap. Training and the converter use this package.

Training needs their features in float, the converter in int8. Neither imports the other; both import this package.
"""
