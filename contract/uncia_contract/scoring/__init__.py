"""Scoring of one burst, from its pictures to its verdict: decoding, threads, order of work."""
