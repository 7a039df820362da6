"""Tests of the Confluence simulator against its published contracts."""
