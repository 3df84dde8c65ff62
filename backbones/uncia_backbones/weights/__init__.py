"""Sources of weights: readers of PyTorch and ONNX files, and seeded random weights."""
