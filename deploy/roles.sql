-- Makes the two roles and the database of Holdfast. Run it once, as a superuser, before the first `holdfast migrate`:
--
--   psql -v owner_password=... -v app_password=... -f deploy/roles.sql "$SUPERUSER_URL"
--
-- holdfast_owner owns the tables and migrates them. holdfast_app is what the program runs as; it may do only what the
-- migrations grant. Running it again sets the passwords and changes nothing else.

\set ON_ERROR_STOP on

SELECT format('CREATE ROLE %I LOGIN', name)
  FROM unnest(ARRAY['holdfast_owner', 'holdfast_app']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE holdfast_owner PASSWORD :'owner_password';
ALTER ROLE holdfast_app PASSWORD :'app_password';

SELECT 'CREATE DATABASE holdfast OWNER holdfast_owner'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'holdfast')
\gexec

REVOKE ALL ON DATABASE holdfast FROM PUBLIC;
GRANT CONNECT ON DATABASE holdfast TO holdfast_app;
