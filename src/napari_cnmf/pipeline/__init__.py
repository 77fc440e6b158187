"""A whole run: all stages in order into one folder, and any of them again."""
