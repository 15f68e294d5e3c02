"""One script per DVC stage: parses its paths, calls the library, writes its outputs whole."""
