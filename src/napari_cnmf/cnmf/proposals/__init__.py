"""Proposals for parameters, made from the movie, each with its evidence."""
