#!/bin/sh
# Writes RABBITMQ_DEFAULT_USER and RABBITMQ_DEFAULT_PASS to the file that Debian's server reads, and runs it as rabbitmq.
set -eu
cat >/etc/rabbitmq/conf.d/10-defaults.conf <<TEXT
default_user = ${RABBITMQ_DEFAULT_USER:-guest}
default_pass = ${RABBITMQ_DEFAULT_PASS:-guest}
TEXT
chown -R rabbitmq:rabbitmq /var/lib/rabbitmq /etc/rabbitmq/conf.d/10-defaults.conf
# With ALLOW_INPUT the start script becomes the server process, so that signals reach it.
export RABBITMQ_ALLOW_INPUT=1
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-noinput ${RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:-}"
exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "$@"
