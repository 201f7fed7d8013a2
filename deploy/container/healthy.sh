#!/usr/bin/env bash
# Whether the server in this container can be sent requests, for HEALTHCHECK: the image has no curl. It speaks HTTP; a
# server that speaks HTTPS is asked from outside.
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/${ZYRON__SERVER__PORT:-8080}"
printf 'GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
read -r _ status _ <&3
[[ $status == 200 ]]
