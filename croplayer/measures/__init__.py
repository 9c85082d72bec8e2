"""The numbers of one block: its masks, their shape, their agreement, what they are worth."""
