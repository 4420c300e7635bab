# A program of the callers' proof, for the command agent: notes that it runs, writes the content, and ends as it is told.
# sh scribe.sh journal content nonce base total piece pause linger exit
journal=$1 content=$2 nonce=$3 base=$4 total=$5 piece=$6 pause=$7 linger=$8 exit=$9
printf 'B %s %s\n' "$nonce" $$ >> "$journal"
[ "$linger" = deaf ] && trap '' TERM
written=0
while [ "$written" -lt "$total" ]; do
  count=$piece
  [ $((written + count)) -gt "$total" ] && count=$((total - written))
  dd if="$content" iflag=skip_bytes,count_bytes,fullblock skip=$((base + written)) count=$count bs=64K status=none
  written=$((written + count))
  [ "$pause" != 0 ] && sleep "$pause"
done
[ "$linger" = hang ] && exec sleep 600
[ "$linger" = deaf ] && sleep 0.5
printf 'E %s\n' "$nonce" >> "$journal"
exit "$exit"
