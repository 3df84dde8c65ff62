"""The migrations of the catalogue; `Database.migrate` runs them with Alembic, without an alembic.ini."""
