"""What training hands over: labels, held-out heads, run folders."""
