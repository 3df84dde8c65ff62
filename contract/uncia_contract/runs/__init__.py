"""What training passes on: labelled pictures, held-out heads, run folders."""
