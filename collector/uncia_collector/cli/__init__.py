"""`uncia-collect`: one module a command."""
