"""What one stranger may take of the page: requests, connections, time."""
