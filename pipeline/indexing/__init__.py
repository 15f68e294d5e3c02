"""From files to an index: every image in a fixed order, labelled, hashed and looked at."""
