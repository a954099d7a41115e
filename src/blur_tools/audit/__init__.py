"""Review by a person, and how sure one can be of what was hidden."""
