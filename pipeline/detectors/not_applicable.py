"""What a score says instead of numbers."""


class NotApplicableError(Exception):
    """A score that this backbone cannot have, with the reason to show in the tables."""
