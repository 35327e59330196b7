#!/bin/sh
# A package comes, is replaced and goes, in opkg's order: opkg.sh install|upgrade FILE, opkg.sh remove NAME.
info=/usr/lib/opkg/info
aside=/tmp/opkg

look() {
	rm -rf $aside
	mkdir -p $aside
	tar -xzf "$1" -C $aside
	for part in control data; do
		mkdir $aside/$part
		tar -xzf $aside/$part.tar.gz -C $aside/$part
	done
	name=$(sed -n 's/^Package: //p' $aside/control/control)
}
put() {
	local file
	(cd $aside/data && sed 's/^/./' ../control/conffiles | xargs sha256sum) >$info/$name.sums
	for file in $(cat $aside/control/conffiles); do
		[ ! -e "$file" ] || cp -p "$file" "$aside/data$file"
	done
	(cd $aside/data && find . -type f | sed 's/^\.//' | sort) >$info/$name.list
	for file in $aside/control/*; do mv "$file" "$info/$name.${file##*/}"; done
	tar -cf $aside/all.tar -C $aside/data .
	tar -xf $aside/all.tar -C /
	rm -rf $aside
}

case "$1" in
install)
	look "$2"
	put
	"$info/$name.postinst" configure
	;;
upgrade)
	look "$2"
	export PKG_UPGRADE=1
	"$info/$name.prerm" upgrade
	put
	"$info/$name.postinst" configure
	;;
remove)
	name=$2
	"$info/$name.prerm" remove
	for file in $(cat $info/$name.list); do
		grep -qx "$file" $info/$name.conffiles && ! (cd / && sha256sum -c $info/$name.sums >/dev/null 2>&1) && continue
		rm -f "$file"
		rmdir -p "${file%/*}" 2>/dev/null
	done
	rm $info/$name.*
	;;
esac
