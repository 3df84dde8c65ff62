"""Stand-ins for what a trap talks to, for tests and benchmarks: they follow scripts and decide nothing themselves."""
