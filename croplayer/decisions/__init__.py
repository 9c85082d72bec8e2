"""Block decisions: is a mask semantically correct, and which source does the map take."""
