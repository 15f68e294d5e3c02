"""One script per DVC stage: each parses its paths, calls the library and writes its outputs whole."""
