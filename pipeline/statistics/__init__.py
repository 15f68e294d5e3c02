"""Metrics, their intervals and tests; higher scores are more in-distribution throughout."""
