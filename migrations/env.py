"""Runs the migrations on the connection that ``holdfast.app.migration`` hands over, or writes their SQL without one."""

from alembic import context
from sqlalchemy import Connection

connection: Connection | None = context.config.attributes.get("connection")

if connection is None:
    context.configure(dialect_name="postgresql", literal_binds=True, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
