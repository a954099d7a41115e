"""What was hidden, and how sure one can be of it."""
