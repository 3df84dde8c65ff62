"""Pages about the work in the field: deployments and their clocks, and how long traps worked."""
