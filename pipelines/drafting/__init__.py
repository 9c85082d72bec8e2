"""A first recipe, drafted from a user's own files: what is known is written, what is guessed is named as a guess."""
