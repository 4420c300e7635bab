#!/bin/bash
# An agent that costs little. Once it is authenticated, it ends as its argument says: with an exit code, or by a signal; `stay`: with
# its host.
host=${SPEARLET_ADDR%:*} port=${SPEARLET_ADDR##*:}
auth="{\"instance_id\":\"$SPEARLET_INSTANCE_ID\",\"token\":\"$SPEARLET_TOKEN\",\"client_version\":\"1\"}"
numbers=
for ((n = 0; n < ${#auth}; n += 1)); do
  printf -v number %d "'${auth:n:1}"
  numbers+=,$number
done
body="{\"message_type\":\"AuthRequest\",\"request_id\":1,\"timestamp\":{\"secs_since_epoch\":1,\"nanos_since_epoch\":0},\"payload\":[${numbers:1}]}"
exec 3<>"/dev/tcp/$host/$port"
printf -v header '\\x%02x\\x%02x\\0\\0\\0\\0\\0\\0' $((${#body} % 256)) $((${#body} / 256))
# One write: a text that begins with the header, which holds no character of printf's own.
printf "$header%s" "$body" >&3
# The first byte of the answer.
LC_ALL=C read -r -N 1 -u 3 _
case $1 in
  stay) while read -r _; do :; done ;;
  SIG*) kill -s "${1#SIG}" $$ ;;
  *) exit "$1" ;;
esac
