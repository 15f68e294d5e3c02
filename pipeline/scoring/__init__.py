"""From features, or photos, to a table of scores and predicted classes by a fitted detector."""
