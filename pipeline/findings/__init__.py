"""What the study concludes from the records in git."""
