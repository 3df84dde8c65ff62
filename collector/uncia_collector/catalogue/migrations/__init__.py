"""Alembic's environment, packaged: `Database.migrate` runs it, no alembic.ini is needed."""
