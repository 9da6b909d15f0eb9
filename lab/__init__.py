"""The plumbing of the lab: everything that no lesson is about."""
