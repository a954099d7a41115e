"""Many pictures: who works on which, where each result goes, and what each row says."""
