"""Destinations as administrators add, change, try and remove them, and their endpoints, which are secrets."""
