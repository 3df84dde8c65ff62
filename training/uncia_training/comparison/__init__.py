"""The seed's systems and ours on the same deals."""
