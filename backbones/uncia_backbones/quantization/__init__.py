"""Quantization: from a float network to an integer one, with techniques that keep the results close to float."""
