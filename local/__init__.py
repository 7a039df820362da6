"""The local stack: everything the app needs around it, on loopback; never deployed."""
