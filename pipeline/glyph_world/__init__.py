"""The embedded benchmark: rendered characters, and small CLIP models that learn them."""
