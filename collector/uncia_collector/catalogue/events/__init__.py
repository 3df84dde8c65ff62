"""Events: sequences of one trap that show the same within the independence interval."""
