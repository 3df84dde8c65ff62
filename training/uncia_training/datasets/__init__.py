"""The pictures of a data set: inspection, regions, splits, duplicates, storage."""
