"""Labelled pictures: CSV, folders, COCO, Camtrap DP; splits; duplicates."""
