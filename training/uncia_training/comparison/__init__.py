"""Cross-validates the systems of the seed paper and uncia's on the same folds."""
