"""The local Functions host: Microsoft's worker library in-process behind HTTP, queue and timer triggers."""
