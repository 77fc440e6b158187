"""Ways of looking at a movie or a result, each with layers of its own."""
