"""What goes over the wire: requests are validated and responses shaped here."""
