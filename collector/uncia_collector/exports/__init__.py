"""Writers of the catalogue for other programs; one module a format."""
