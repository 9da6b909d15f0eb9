"""Seven gaps for a student to fill, each in a file of this folder; README.md says how."""
