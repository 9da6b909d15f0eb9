"""What each exercise is held to, and beside it the mistakes that are known by name."""
