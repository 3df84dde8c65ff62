"""The revisions of the catalogue, one module each; a released one never changes."""
