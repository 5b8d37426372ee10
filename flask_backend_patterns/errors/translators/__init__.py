"""One module for each package whose exceptions are translated; the only places that import that package here."""
