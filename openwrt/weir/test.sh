#!/bin/sh
# The packages feed runs it on a router of the target, with the name and the version of the package.
[ "$1" != weir ] || weir version | grep -Fx "$2"
