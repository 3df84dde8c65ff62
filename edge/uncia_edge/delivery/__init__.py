"""What is sent when, until the receipt."""
