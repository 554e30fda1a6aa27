"""Run migrations on the connection that ``stores.migrate`` locked and handed over."""

from alembic import context

from fleeting.stores.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
