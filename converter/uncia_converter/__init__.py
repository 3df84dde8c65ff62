"""The workstation: from a training run to a bundle that a trap accepts."""
