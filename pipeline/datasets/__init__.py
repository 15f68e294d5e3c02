"""The rows of a data set: its index, and the images or arrays that the rows name."""
