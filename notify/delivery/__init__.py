"""Deliveries: one for each event and destination, made once, tried again by schedule, ended with a reason."""
