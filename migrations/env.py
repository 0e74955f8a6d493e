"""Runs the migrations on the connection that ``holdfast.app.migration`` hands over, or writes their SQL without one."""

from alembic import context
from sqlalchemy import Connection

connection: Connection | None = context.config.attributes.get("connection")

if connection is None:
    # Named parameters, because the usual ones double every percent sign.
    context.configure(dialect_name="postgresql", dialect_opts={"paramstyle": "named"}, literal_binds=True, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
