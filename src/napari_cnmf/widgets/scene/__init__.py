"""The layers of a viewer, in step with its workspace."""
