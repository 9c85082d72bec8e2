"""The processes that blocks are worked on in."""
