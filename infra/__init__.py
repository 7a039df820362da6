"""What puts the app into Azure."""
