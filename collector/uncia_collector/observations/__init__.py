"""What people say a sequence shows: the checklist of taxa, the observations of an answer, which answer stands."""
