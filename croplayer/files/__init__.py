"""Files from anywhere: tables of text, arrays, and what a process keeps of them."""
