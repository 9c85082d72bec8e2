"""The reference of recipes, commands and Python, made from the code that it describes; `make reference` writes it."""
