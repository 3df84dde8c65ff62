"""The command `uncia-train`: one module for each of its commands."""
