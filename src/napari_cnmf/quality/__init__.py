"""Is a component a cell: scores, rules and reasons."""
