"""Tests of the chat simulator: its strictness is what the app's chat tests rest on."""
