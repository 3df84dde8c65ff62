"""The page: Starlette and Jinja2, everything it needs in this package, no internet."""
