"""Exports of the catalogue for other programs: one module for each format."""
