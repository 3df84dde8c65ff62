"""What is kept on the card, and when it goes."""
