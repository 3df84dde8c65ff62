"""Rules for a burst: which frames it has, which part of each is scored, and what the verdict is."""
