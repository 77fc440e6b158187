"""Damaged files of every format, and what becomes of who opens them."""
