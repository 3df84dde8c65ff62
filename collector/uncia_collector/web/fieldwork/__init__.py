"""Pages about the work in the field: where traps stand and how their clocks went, how long they worked."""
