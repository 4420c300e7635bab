#!/bin/sh
# A program that ends when it is told to, and only then: SIGUSR1 is exit code 0, SIGUSR2 is 1. The test is its agent.
trap '' TERM
trap 'exit 0' USR1
trap 'exit 1' USR2
echo up
while read -r _; do :; done
exit 3
