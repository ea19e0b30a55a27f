#!/bin/sh
# Creates the programs' roles, as a PostgreSQL operator does elsewhere. psql quotes the password.
set -eu
for role in orders ledger escrow disputes webhooks gateway; do
  psql -v ON_ERROR_STOP=1 -v role="$role" -v password="$(cat "/passwords/$role")" \
    -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
create role :"role" login noinherit password :'password';
SQL
done
