#!/bin/sh
# The postgres image of compose.yaml runs this once, when it makes its cluster.
set -eu
psql --no-psqlrc --username "$POSTGRES_USER" --dbname postgres \
    --set owner_password="$HOLDFAST_OWNER_PASSWORD" --set app_password="$HOLDFAST_APP_PASSWORD" --file /roles.sql
