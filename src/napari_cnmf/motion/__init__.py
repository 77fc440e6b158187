"""Registration: how far each frame moved, and moving it back."""
