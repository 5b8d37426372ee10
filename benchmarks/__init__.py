"""Speed and memory, always beside something to compare with."""
