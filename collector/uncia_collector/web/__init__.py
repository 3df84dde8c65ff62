"""The page (Starlette, Jinja2). All files that it needs are in this package; it needs no internet."""
