#!/bin/sh
# opkg-key, over usign: a key is found by its number, and a list may be gzipped.
keys=/etc/opkg/keys
case "$1" in
add) mkdir -p $keys && cp "$2" "$keys/$(usign -F -p "$2")" ;;
verify) { zcat "$3" 2>/dev/null || cat "$3"; } | usign -V -P $keys -q -x "$2" -m - ;;
esac
