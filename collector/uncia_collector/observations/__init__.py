"""What people say of a sequence: the checklist of taxa, one answer's observations, which answer stands."""
