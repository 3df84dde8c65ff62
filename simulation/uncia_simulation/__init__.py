"""The desktop: trap, broker and collector in one process tree, fed with recorded bursts."""
