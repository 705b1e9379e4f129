#!/bin/sh
# At the first start, creates the user and database of POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB. Runs the server
# as postgres. Connections over TCP need a password.
set -eu
if [ "$(id -u)" = 0 ]; then
  chown -R postgres:postgres "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups /bin/sh "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username="$POSTGRES_USER" --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
  pg_ctl --wait --options="-c listen_addresses=''" start
  psql --username="$POSTGRES_USER" --dbname=postgres --set=ON_ERROR_STOP=1 --set=password="$POSTGRES_PASSWORD" \
    --set=user="$POSTGRES_USER" --set=database="$POSTGRES_DB" <<'SQL'
ALTER USER :"user" PASSWORD :'password';
CREATE DATABASE :"database";
SQL
  pg_ctl --wait --mode=fast stop
fi
exec "$@"
