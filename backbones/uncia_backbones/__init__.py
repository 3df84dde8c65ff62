"""Pretrained networks, built in Keras and quantized for the trap: the workstation's shared ground.

Training needs their features in float, the converter needs them in int8; neither imports the other, both import this.
"""
