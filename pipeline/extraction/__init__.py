"""The expensive part: from indexed images to a store, resumable at any moment."""
