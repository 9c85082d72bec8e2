"""What the pages in the browser share."""
