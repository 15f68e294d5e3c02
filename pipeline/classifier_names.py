"""What tables, records and parameters call the classifiers of ID images."""

ZERO_SHOT = "zero_shot"  # the nearest class name by the text tower; a head too, never trained
KNN = "knn_20"  # a vote of the 20 nearest images of the bank
CLASSIFIERS = (ZERO_SHOT, KNN, "plp", "lp")  # from no labels to all of them
