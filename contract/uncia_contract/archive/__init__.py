"""Scoring of an archive or a card: its sequences, the resume log, writers of CSV, MegaDetector JSON, Camtrap DP."""
