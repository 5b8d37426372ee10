"""Headers, CORS, compression, trusted hosts and proxies."""
