"""Where sessions can be kept."""
