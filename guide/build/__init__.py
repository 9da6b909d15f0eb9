"""What keeps the guide true: quotes, outputs and notebooks made anew, commands and links read."""
