"""Where results are kept: the app's database, or Redis."""
