"""Stand-ins for broker, collector, link, card and model, for tests and benchmarks; their answers are scripted."""
