"""Training and validation on labelled scenes."""
