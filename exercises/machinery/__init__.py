"""What runs the checks of the exercises and tells of them. No exercise is about it."""
