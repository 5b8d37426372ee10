"""The rules of the shop. A service begins and ends transactions; it knows nothing of HTTP."""
