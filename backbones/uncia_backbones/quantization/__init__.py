"""From a float network to an integer one, and the techniques that keep it close to float."""
