"""What people should look at next, and what they said: label projects, their tasks, and what was drawn in them."""
