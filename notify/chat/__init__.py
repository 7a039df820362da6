"""One module per chat product: its payload, its answers, the shape of its addresses."""
