"""The background: what is not cells."""
