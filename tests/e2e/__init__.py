"""The story as people see it, in a browser."""
