"""Readers of labelled data sets: folders, CSV, COCO Camera Traps, Camtrap DP. The running trap never imports them."""
