"""What the worker runs, and how it gets there."""
