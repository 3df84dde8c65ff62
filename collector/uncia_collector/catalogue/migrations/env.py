"""Alembic's environment: runs the migrations on the connection that `Database.migrate` passes."""

from alembic import context

from uncia_collector.catalogue.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
