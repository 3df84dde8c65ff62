"""The seed's systems and ours, cross-validated on the same folds."""
