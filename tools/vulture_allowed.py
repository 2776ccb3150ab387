"""Names that look unused and are not: frameworks call them."""
