"""What a run would extract, store and cost, and what it lacks."""
