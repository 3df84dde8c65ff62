"""Readers of torch, ONNX and seeded weights."""
