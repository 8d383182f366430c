"""Which target, then which next: pure decisions, and the attempts that act on them."""
