"""Measured speed: `make bench` prints tables, judges them against the budgets and changes nothing."""
