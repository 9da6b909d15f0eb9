"""A trained run as a server: a page to drop pictures on, and POST /predict for programs."""
