"""The networks and their inference."""
