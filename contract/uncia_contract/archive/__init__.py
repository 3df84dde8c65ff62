"""An archive or a card, scored: its sequences, resume log, CSV and MegaDetector JSON."""
