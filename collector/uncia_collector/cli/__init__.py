"""The command `uncia-collect`: one module for each of its commands."""
