"""What params.yaml may say as a whole: every section's schema, and names that must fit together."""
