"""The simulation: replays recorded or rendered bursts through trap, broker and collector on one computer."""
