"""A durable local Azure Storage queue service."""
