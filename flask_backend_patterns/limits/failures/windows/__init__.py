"""Where failures are counted: exact moving windows, with places that can be given back."""
