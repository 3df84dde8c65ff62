"""Limits for clients of the page: requests, connections, time for a request."""
