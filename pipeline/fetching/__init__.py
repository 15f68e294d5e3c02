"""Files of data sets: what is wanted, what is there, and how the rest is downloaded."""
